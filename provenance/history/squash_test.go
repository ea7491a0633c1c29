package history

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const squashFile = "FROM debian\nENV A=1\nCOPY a /x\nRUN c\nCMD [\"d\"]\n"

// squashedEntries are what Docker 20.10 writes for squashFile with --squash, on
// a base of one entry.
func squashedEntries() []v1.History {
	entries := append(classic(" ADD "+addHash+" in / "), classic("  ENV A=1", " COPY "+addHash+" in /x ", "/bin/sh -c c", `  CMD ["d"]`)...)
	for i := range entries {
		entries[i].EmptyLayer = i > 0
	}
	id := strings.TrimPrefix(addHash, "file:")
	return append(entries, v1.History{Comment: "merge sha256:" + id + " to sha256:" + id})
}

func TestSquashedHistoriesMatch(t *testing.T) {
	b := build(t, squashFile)
	for _, layers := range []int{2, -1} {
		a := Match(squashedEntries(), layers, b)
		last := a.Rows[len(a.Rows)-1]
		if !a.Matched || !a.Squashed || a.BaseEntries != 1 || a.Dialect != "classic" || last.Status != Squash || last.Layer != 1 || last.Entry != 5 {
			t.Errorf("%d layers: %+v, squashed %v, above %d, ends in %+v", layers, a.Problems, a.Squashed, a.BaseEntries, last)
		}
	}
	whole := squashedEntries()[1:]
	whole[len(whole)-1].Comment = "create new from sha256:" + strings.TrimPrefix(addHash, "file:")
	whole[1].CreatedBy = strings.Replace(whole[1].CreatedBy, "COPY", "ADD", 1)
	if a := Match(whole, 1, build(t, "FROM scratch\nENV A=1\nADD a /x\nRUN c\nCMD [\"d\"]\n")); !a.Matched || !a.Squashed {
		t.Errorf("on scratch: %+v", a.Problems)
	}
}

func TestSquashedHistoriesAreHeldToTheirForm(t *testing.T) {
	b := build(t, squashFile)
	for name, test := range map[string]struct {
		layers int
		want   string
		change func([]v1.History) []v1.History
	}{
		"an own entry that kept its layer": {3, EmptyLayer, func(h []v1.History) []v1.History { h[3].EmptyLayer = false; return h }},
		"another text":                     {2, TextDiffers, func(h []v1.History) []v1.History { h[3].CreatedBy += "x"; return h }},
		"a layer too many":                 {3, LayerCount, func(h []v1.History) []v1.History { return h }},
		"no layer":                         {0, "", func(h []v1.History) []v1.History { return h }},
		"no squashed layer":                {1, EmptyLayer, func(h []v1.History) []v1.History { return h[:5] }},
		"a squashed layer without a layer": {1, "", func(h []v1.History) []v1.History { h[5].EmptyLayer = true; return h }},
		"a comment with more to it":        {2, "", func(h []v1.History) []v1.History { h[5].Comment += " x"; return h }},
		"a text beside the comment":        {2, "", func(h []v1.History) []v1.History { h[5].CreatedBy = "rm -rf /"; return h }},
		"two squashed layers":              {3, "", func(h []v1.History) []v1.History { return append(h, h[5]) }},
		"a directive that is missing":      {2, EntryMissing, func(h []v1.History) []v1.History { return append(h[:3], h[4:]...) }},
	} {
		a := Match(test.change(squashedEntries()), test.layers, b)
		if a.Matched || !strings.Contains(codes(a), test.want) {
			t.Errorf("%s: matched %v (%s), want %s", name, a.Matched, codes(a), test.want)
		}
	}
}
