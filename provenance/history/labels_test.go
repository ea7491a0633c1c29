package history

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestALabelIsTheBasesWhereItsEntriesLeaveIt(t *testing.T) {
	const key = "org.example.source"
	for _, c := range []struct {
		name    string
		entries []string // the base's
		value   string
		want    bool
	}{
		{"the classic builder's", []string{`/bin/sh -c #(nop)  LABEL org.example.source=https://x/y`}, "https://x/y", true},
		{"BuildKit's", []string{`LABEL org.example.source=https://x/y`}, "https://x/y", true},
		{"among others", []string{`LABEL a=b c org.example.source=https://x/y z=1`}, "https://x/y", true},
		{"a value with spaces", []string{`LABEL org.example.source=two words z=1`}, "two words", true},
		{"another value", []string{`LABEL org.example.source=https://x/y`}, "https://x/z", false},
		{"the beginning of the value", []string{`LABEL org.example.source=https://x/y`}, "https://x", false},
		{"another key with that end", []string{`LABEL my.org.example.source=https://x/y`}, "https://x/y", false},
		{"set again to another value", []string{`LABEL org.example.source=https://x/y`, `LABEL org.example.source=https://x/z`}, "https://x/y", false},
		{"set again to that value", []string{`LABEL org.example.source=https://x/z`, `LABEL org.example.source=https://x/y`}, "https://x/y", true},
		{"no label", []string{`ENV org.example.source=https://x/y`}, "https://x/y", false},
		{"no entry", nil, "https://x/y", false},
	} {
		a := &Alignment{}
		for _, text := range c.entries {
			a.Rows = append(a.Rows, Row{Status: Base, Got: text})
		}
		a.Rows = append(a.Rows, Row{Status: Matched, Got: "LABEL org.example.source=https://own"})
		if got := a.BaseLabel(key, c.value); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTheDockerfilesOwnLabelIsNotTheBases(t *testing.T) {
	a := Match([]v1.History{
		{CreatedBy: "CMD [\"/x\"]", Comment: BuildKitComment, EmptyLayer: true},
		{CreatedBy: "LABEL a=own", Comment: BuildKitComment, EmptyLayer: true},
	}, 0, build(t, "FROM base\nLABEL a=own\n"))
	if !a.Matched || a.BaseEntries != 1 || a.BaseLabel("a", "own") {
		t.Errorf("matched %v above %d entries; the base has the label: %v", a.Matched, a.BaseEntries, a.BaseLabel("a", "own"))
	}
}
