package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output/outputtest"
)

func TestProgressLineTellsOfOneStepInItsOwnUnit(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	tests := []struct {
		name     string
		events   []verify.Event
		terminal bool
		want     string
	}{
		{"nothing under way", []verify.Event{{What: "a", Done: 1, Finished: true}}, true, ""},
		{"a known total is a bar", []verify.Event{{What: "layer " + digest, Done: 500, Total: 1000}}, true,
			"[############............] 500 B of 1.0 kB  layer sha256:0123456789ab…"},
		{"a plain line has no bar", []verify.Event{{What: "layer", Done: 500, Total: 1000}}, false, "500 B of 1.0 kB  layer"},
		{"an unknown total has none either", []verify.Event{{What: "fetching", Done: 5_000_000}}, true, "5.0 MB  fetching"},
		{"things are not bytes", []verify.Event{{What: "reading", Done: 19000, Count: true}}, true, "19000  reading"},
		{"others are counted, not added", []verify.Event{{What: "a", Done: 1, Total: 2}, {What: "b", Done: 900, Total: 1000}}, false, "1 B of 2 B  a and 1 more"},
		{"foreign text is made safe", []verify.Event{{What: "x\x1b[2J", Done: 1}}, false, `1 B  x\x1b[2J`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &progress{terminal: tt.terminal, steps: map[string]verify.Event{}}
			for _, e := range tt.events {
				p.event(e)
			}
			if got := p.line(); got != tt.want {
				t.Errorf("line %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCutKeepsALineWithinTheTerminal(t *testing.T) {
	for width, want := range map[int]string{0: "twelve chars", 13: "twelve chars", 12: "twelve cha…", 5: "twe…"} {
		if got := cut("twelve chars", width); got != want {
			t.Errorf("width %d: %q, want %q", width, got, want)
		}
	}
}

func TestForeignTextInProgressIsSafe(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		var out bytes.Buffer
		p := &progress{w: &out, terminal: terminal, width: 500, steps: map[string]verify.Event{}}
		p.event(verify.Event{What: "fetching " + outputtest.Nasty, Done: 1, Total: 2})
		p.show()
		line := strings.TrimPrefix(out.String(), "\r\x1b[K")
		if !strings.Contains(line, "fetching") {
			t.Errorf("%q", line)
		}
		outputtest.CheckSafe(t, []byte(line))
	}
}
