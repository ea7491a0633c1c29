package checksums

import (
	"maps"
	"slices"
	"testing"
)

func TestAPathIsFoundRemovedOrLeftToTheLayersBelow(t *testing.T) {
	b := NewBuilder(nil, Limits{})
	for _, name := range []string{"here", "a/.wh.gone", ".wh.dir", "empty/.wh..wh..opq", "empty/new"} {
		if err := b.Add(Entry{Path: name, Type: '0'}); err != nil {
			t.Fatal(err)
		}
	}
	x, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Entry{}
	open, err := x.FindOrRemoved([]string{"here", "a/gone", "a/gone/below", "a/stays", "dir", "dir/x/y", "empty", "empty/old", "empty/new", "."}, found)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a/stays", "empty", "."}; !slices.Equal(open, want) {
		t.Errorf("left to the layers below: %q, want %q", open, want)
	}
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, []string{"empty/new", "here"}) {
		t.Errorf("found: %q", got)
	}
}

func TestNamesThatRemoveAreToldFromNamesOfTheTree(t *testing.T) {
	tests := []struct {
		name, target string
		opaque, ok   bool
	}{
		{"a/.wh.b", "a/b", false, true},
		{".wh.b", "b", false, true},
		{"a/.wh..wh..opq", "a", true, true},
		{".wh..wh..opq", ".", true, true},
		{"a/wh.b", "", false, false},
		{".wh.a/b", "", false, false},
	}
	for _, test := range tests {
		if target, opaque, ok := Removes(test.name); target != test.target || opaque != test.opaque || ok != test.ok {
			t.Errorf("%s: %q, %v, %v", test.name, target, opaque, ok)
		}
	}
}
