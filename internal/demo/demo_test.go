package demo

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
	"github.com/imageverify/verify/internal/schema"
)

func TestWrongSeesEveryMisjudgement(t *testing.T) {
	tampered := Case{Reference: "r", Verdict: verify.Failed, Check: "layer.content", Reason: "content-differs"}
	report := func(v verify.Verdict, check, reason string) *verify.Report {
		return &verify.Report{Verdict: v, Images: []verify.Image{{Findings: []verify.Finding{{Check: check, Status: verify.Fail, Reason: reason}}}}}
	}
	tests := []struct {
		name string
		c    Case
		r    *verify.Report
		want string
	}{
		{"a sound image verified", Case{Verdict: verify.Verified}, &verify.Report{Verdict: verify.Verified}, ""},
		{"a sound image failed", Case{Reference: "r", Verdict: verify.Verified}, &verify.Report{Verdict: verify.Failed}, "r is judged failed; it is verified"},
		{"a tampered image verified", tampered, report(verify.Verified, "", ""), "r is judged verified; it is failed"},
		{"a tampered image seen", tampered, report(verify.Failed, "layer.content", "content-differs"), ""},
		{"a tampered image failed by another check", tampered, report(verify.Failed, "image.digests", "digest-mismatch"), "r fails, but not by layer.content (content-differs)"},
		{"a tampered image failed for another reason", tampered, report(verify.Failed, "layer.content", "mode-differs"), "r fails, but not by layer.content (content-differs)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Result{tt.c, tt.r}).Wrong(); got != tt.want {
				t.Errorf("Wrong = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRunShowsEveryCaseAndPassesOnAnError(t *testing.T) {
	var seen []string
	err := Run(context.Background(), "test", func(r Result) error {
		seen = append(seen, r.Case.Reference)
		if wrong := r.Wrong(); wrong != "" {
			t.Error(wrong)
		}
		var b bytes.Buffer
		if err := errors.Join(output.Write(&b, output.JSON, r.Report, output.Style{}), schema.Validate(b.Bytes())); err != nil {
			t.Error(err)
		}
		return nil
	})
	if err != nil || len(seen) != len(cases) {
		t.Errorf("%d cases shown (%s), error %v", len(seen), strings.Join(seen, " "), err)
	}
	stop := errors.New("no more room")
	if err := Run(context.Background(), "test", func(Result) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want the one that showing gave", err)
	}
}
