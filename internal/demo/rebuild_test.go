package demo

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
	"github.com/imageverify/verify/internal/schema"
)

func TestWrongSeesEveryMisjudgedRebuild(t *testing.T) {
	sound := Rebuild{Reference: "r", Level: verify.SameDigest}
	tampered := Rebuild{Reference: "r", Level: verify.Different, Cause: "content", Path: "a"}
	report := func(v verify.Verdict, l verify.Level, causes ...verify.Cause) *verify.ReproduceReport {
		return &verify.ReproduceReport{Verdict: v, Rebuild: &verify.Rebuilt{Level: l}, Causes: causes}
	}
	content := verify.Cause{Name: "content", Examples: []string{"a"}}
	tests := []struct {
		name string
		c    Rebuild
		r    *verify.ReproduceReport
		want string
	}{
		{"a sound image reproduced", sound, report(verify.Verified, verify.SameDigest), ""},
		{"a sound image not rebuilt", sound, &verify.ReproduceReport{Verdict: verify.Incomplete}, `r is rebuilt to the level ""; it is digest`},
		{"a sound image with a cause", sound, report(verify.Verified, verify.SameDigest, content), "r differs, but not by  of  alone"},
		{"a tampered image reproduced", tampered, report(verify.Verified, verify.SameDigest), `r is rebuilt to the level "digest"; it is different`},
		{"a tampered image verified all the same", tampered, report(verify.Verified, verify.Different, content), "r is judged verified at the level different"},
		{"a tampered image seen", tampered, report(verify.Failed, verify.Different, content), ""},
		{"a tampered image without a cause", tampered, report(verify.Failed, verify.Different), "r differs, but not by content of a alone"},
		{"a tampered image with another cause too", tampered, report(verify.Failed, verify.Different, content, content), "r differs, but not by content of a alone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := (RebuildResult{tt.c, tt.r}).Wrong(); got != tt.want {
				t.Errorf("Wrong = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRebuildsAreShownAsTheyAre(t *testing.T) {
	seen := 0
	err := RunRebuilds(context.Background(), "test", func(r RebuildResult) error {
		seen++
		if wrong := r.Wrong(); wrong != "" {
			t.Error(wrong)
		}
		var b bytes.Buffer
		return errors.Join(output.WriteReproduce(&b, output.JSON, r.Report, output.Style{}), schema.Validate(b.Bytes()))
	})
	if err != nil || seen != len(rebuilds) {
		t.Errorf("%d rebuilds shown, error %v", seen, err)
	}
	stop := errors.New("no more room")
	if err := RunRebuilds(context.Background(), "test", func(RebuildResult) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want the one that showing gave", err)
	}
}
