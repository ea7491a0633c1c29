package history

import (
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const buildahFile = "FROM debian\nENV A=\"b c\"\nARG V=1\nCOPY a /x\nRUN c $V\nCMD [\"d\"]\n"

// buildahEntries are what buildah 1.28 writes for buildahFile, on a base of one
// entry; combined as it does with --layers=false.
func buildahEntries(combined bool) []v1.History {
	entries := append(classic(" ADD "+addHash+" in / "), classic(` ENV A="b c"`, " ARG V", " COPY "+addHash+" in /x ", "|1 V=1 /bin/sh -c c $V", ` CMD ["d"]`)...)
	for i := range entries {
		entries[i].EmptyLayer = slices.Contains([]int{1, 2, 5}, i)
		if combined {
			entries[i].EmptyLayer = i > 0 && i < 5
		}
	}
	entries[5].Comment = "FROM docker.io/library/debian:latest"
	return entries
}

func TestBuildahsHistoriesMatch(t *testing.T) {
	b := build(t, buildahFile)
	for _, combined := range []bool{false, true} {
		entries := buildahEntries(combined)
		a := Match(entries, layersOf(entries), b)
		if !a.Matched || a.Dialect != "buildah" || a.Combined != combined || a.BaseEntries != 1 {
			t.Errorf("combined %v: %+v in %s, combined %v, above %d", combined, a.Problems, a.Dialect, a.Combined, a.BaseEntries)
		}
	}
	squashed := buildahEntries(true)[1:]
	if a := Match(squashed, 1, b); !a.Matched || a.BaseEntries != 0 {
		t.Errorf("squashed with its base: %+v", a.Problems)
	}
}

func TestBuildahsHistoriesAreHeldToTheirLayers(t *testing.T) {
	b := build(t, buildahFile)
	tests := []struct {
		name, want string
		combined   bool
		change     func([]v1.History)
	}{
		{"a layer of metadata", "empty-layer-differs", false, func(h []v1.History) { h[1].EmptyLayer = false }},
		{"a COPY without a layer", "empty-layer-differs", false, func(h []v1.History) { h[3].EmptyLayer, h[5].EmptyLayer = true, false }},
		{"two layers of one stage", "empty-layer-differs", true, func(h []v1.History) { h[2].EmptyLayer = false }},
		{"BuildKit's comment", "comment-differs", false, func(h []v1.History) { h[1].Comment = BuildKitComment }},
		{"another text", "text-differs", true, func(h []v1.History) { h[1].CreatedBy += "x" }},
		{"an expanded destination", "text-differs", true, func(h []v1.History) { h[3].CreatedBy = strings.Replace(h[3].CreatedBy, "/x", "/y", 1) }},
	}
	for _, test := range tests {
		entries := buildahEntries(test.combined)
		test.change(entries)
		if a := Match(entries, layersOf(entries), b); a.Matched || !strings.HasPrefix(codes(a), test.want) {
			t.Errorf("%s: matched %v (%s in %s), want %s", test.name, a.Matched, codes(a), a.Dialect, test.want)
		}
	}
}

func TestADigestOfAMountIsADigest(t *testing.T) {
	b := build(t, "FROM debian\nENV A=1\nRUN --mount=type=bind,target=/x c\n")
	run := "/bin/sh -c --mount=type=bind,target=/x c"
	for tail, want := range map[string]bool{"": true, ":sha256:" + addHash[len("file:"):]: true, ":sha256:zz": false, "; rm -rf /": false, ":" + addHash: false} {
		entries := append(classic(" ADD "+addHash+" in / "), classic(" ENV A=1", run+tail)...)
		entries[1].EmptyLayer = true
		if a := Match(entries, 2, b); a.Matched != want {
			t.Errorf("with %q: matched %v, want %v", tail, a.Matched, want)
		}
	}
}
