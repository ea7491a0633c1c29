package dockerfile

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

// FuzzEvaluate states: whatever the text, an error is an *Error and comes alone;
// a build is the same twice, its directives stand in order, each has a form or
// none in a dialect but never two of one text, and a build on scratch has no
// hole that the platform does not explain.
func FuzzEvaluate(f *testing.F) {
	for _, seed := range []string{
		"FROM scratch\nADD a /\nCMD [\"x\"]\n",
		"ARG I=debian\nFROM ${I:-x} AS a\nARG V=1\nENV P=$PATH:${L:+$L:}x Q='$A' R=\"$V\"\nRUN a \\\n # c\n  && b\nFROM a\nCOPY --from=a --chown=$V x ./y/\n",
		"# escape=`\nFROM x\nWORKDIR a`\n b\nWORKDIR ../$X/${Y#*/}\nCOPY <<A <<-\"B\" /\n$V\nA\n\tb\nB\nRUN <<E\n#!/bin/sh\nE\n",
		"FROM x\nHEALTHCHECK --interval=1s --retries=9999999 CMD [\"a\"]\nHEALTHCHECK NONE\nEXPOSE 1-3 $P ${Q:-5}/udp\nVOLUME [\"/a\"] \nUSER $U\nSTOPSIGNAL 9\nSHELL [\"a\"]\nONBUILD RUN <<A\nb\nA\nLABEL a b c\nMAINTAINER \xff\n",
		"FROM x\nENV A=${X//a/bb} B=${A%%c*} C=${A/x/$B}\nENV A=$A$A\nENV A=$A$A\n",
	} {
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, known bool) {
		file, err := Parse([]byte(text))
		if err != nil {
			wantOwnError(t, file == nil, err)
			return
		}
		o := Options{OS: "linux", Architecture: "amd64"}
		if known {
			o.BaseEnv = map[string]string{"PATH": DefaultPath}
		}
		b, err := file.Evaluate(o)
		if err != nil {
			wantOwnError(t, b == nil, err)
			return
		}
		if again, err := file.Evaluate(o); err != nil || !reflect.DeepEqual(b, again) {
			t.Fatalf("a second evaluation differs (%v)", err)
		}
		checkBuild(t, b)
	})
}

func wantOwnError(t *testing.T, alone bool, err error) {
	t.Helper()
	var own *Error
	if !errors.As(err, &own) || !alone {
		t.Fatalf("error %v of type %T, alone: %v", err, err, alone)
	}
}

func checkBuild(t *testing.T, b *Build) {
	t.Helper()
	line := 0
	for _, d := range b.Directives {
		if d.Line < line || d.EndLine < d.Line {
			t.Fatalf("%s stands at %d-%d, after line %d", d.Name, d.Line, d.EndLine, line)
		}
		line = d.Line
		seen := map[Form]bool{}
		for _, form := range d.Forms {
			if seen[form] {
				t.Fatalf("two forms %+v", form)
			}
			seen[form] = true
			if strings.Contains(Readable(form.Text), mark) {
				t.Fatalf("a NUL is left in %q", Readable(form.Text))
			}
		}
	}
	for _, name := range b.Holes {
		if b.Base == Scratch && !strings.HasPrefix(name, "BUILD") {
			t.Fatalf("hole %q on scratch", name)
		}
	}
}
