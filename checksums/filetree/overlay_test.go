package filetree

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/imageverify/verify/checksums"
)

// layersOf reads layers that are written "d/ d/a=1 d/b>d/a .wh.x": directories,
// files with their content's number as mode, and hard links.
func layersOf(t testing.TB, texts ...string) []*checksums.Index {
	t.Helper()
	var layers []*checksums.Index
	for _, text := range texts {
		var entries []checksums.Entry
		for word := range strings.FieldsSeq(text) {
			entries = append(entries, wordEntry(word))
		}
		layers = append(layers, indexOf(t, entries))
	}
	return layers
}

func wordEntry(word string) checksums.Entry {
	if dir, ok := strings.CutSuffix(word, "/"); ok {
		return checksums.Entry{Path: dir, Type: '5'}
	}
	if name, target, ok := strings.Cut(word, ">"); ok {
		return checksums.Entry{Path: name, Type: '1', Link: target}
	}
	name, mode, _ := strings.Cut(word, "=")
	e := checksums.Entry{Path: name, Type: '0'}
	fmt.Sscan(mode, &e.Mode)
	return e
}

// treeText writes a joined tree in the same way, each name with its layer; a
// further name of a file stands as NAME=MODE~FIRST.
func treeText(t testing.TB, layers []*checksums.Index) string {
	t.Helper()
	tree, err := Overlay(context.Background(), layers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	var words []string
	for e, err := range tree.Index.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, entryText(e)+fmt.Sprintf("@%d", tree.Layer(e.Seq)))
	}
	return strings.Join(words, " ")
}

func entryText(e checksums.Entry) string {
	switch {
	case e.Type == '5':
		return e.Path + "/"
	case e.Type == '1':
		return e.Path + ">" + e.Link
	case e.Link != "":
		return fmt.Sprintf("%s=%d~%s", e.Path, e.Mode, e.Link)
	}
	return fmt.Sprintf("%s=%d", e.Path, e.Mode)
}

func TestLayersAreJoined(t *testing.T) {
	tests := []struct {
		name   string
		layers []string
		want   string
	}{
		{"a single layer as it is", []string{"d/ d/a=1"}, "d/@0 d/a=1@0"},
		{"of two entries of a path the last", []string{"a=1 a=2"}, "a=2@0"},
		{"the upper entry of a path", []string{"d/ a=1", "a=2 b=3"}, "a=2@1 b=3@1 d/@0"},
		{"a removed file is gone", []string{"d/ d/a=1 d/b=1", "d/ d/.wh.a"}, "d/@1 d/b=1@0"},
		{"a removed directory is gone with what is in it", []string{"d/ d/e/ d/e/a=1 da=1", ".wh.d"}, "da=1@0"},
		{"what was removed can come again", []string{"a=1", ".wh.a", "a=3"}, "a=3@2"},
		{"a whiteout does not remove its own layer's", []string{"d/ d/a=1", "d/ d/b=2 .wh.d"}, "d/@1 d/b=2@1"},
		{"an opaque directory has only its own", []string{"d/ d/a=1 d/e/ d/e/x=1", "d/ d/.wh..wh..opq d/b=2"}, "d/@1 d/b=2@1"},
		{"an opaque directory above", []string{"d/ d/e/ d/e/x=1", "d/ d/.wh..wh..opq", "d/e/ d/e/y=3"}, "d/@1 d/e/@2 d/e/y=3@2"},
		{"an opaque root", []string{"d/ d/a=1", ".wh..wh..opq b=2"}, "b=2@1"},
		{"a file in a directory's place hides what was in it", []string{"d/ d/a=1", "d=2"}, "d=2@1"},
		{"even where a directory comes back", []string{"d/ d/a=1", "d=2", "d/ d/b=3"}, "d/@2 d/b=3@2"},
		{"a directory in a file's place", []string{"d=1", "d/ d/a=2"}, "d/@1 d/a=2@1"},
		{"names that sort before their whiteout", []string{"d/ d/+=1 d/+x/ d/+x/y=1", "d/ d/.wh.+ d/.wh.+x"}, "d/@1"},
		{"a whiteout of nothing", []string{"a=1", ".wh.b"}, "a=1@0"},
		{"storage drivers' notes", []string{"a=1", ".wh..wh.plnk/ .wh..wh.aufs=1"}, "a=1@0"},
		{"names of one file have its attributes and its first name", []string{"b=1 a>b c>b"}, "a=1@0 b=1~a@0 c=1~a@0"},
		{"a copy is another file", []string{"b=1 a=1 c>b"}, "a=1@0 b=1@0 c=1~b@0"},
		{"a link to a lower layer's file", []string{"a=1", "b>a"}, "a=1@0 b=1~a@1"},
		{"a link keeps a file that is replaced later", []string{"a=1", "b>a", "a=3"}, "a=3@2 b=1@1"},
		{"a link keeps a file that is removed later", []string{"a=1", "b>a c>a", ".wh.a"}, "b=1@1 c=1~b@1"},
		{"a link to a link", []string{"a=1 b>a c>b"}, "a=1@0 b=1~a@0 c=1~a@0"},
		{"a link to a file removed below it", []string{"d/ d/a=1", ".wh.d", "b>d/a"}, "b>d/a@2"},
		{"a link to nothing", []string{"b>a"}, "b>a@0"},
		{"links in a circle", []string{"a>b b>a"}, "a>b@0 b>a@0"},
		{"a link to itself", []string{"a>a"}, "a>a@0"},
		{"no layers", nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := treeText(t, layersOf(t, test.layers...)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// slowOverlay unpacks layers one after the other in memory.
func slowOverlay(layers [][]checksums.Entry) string {
	tree := map[string]checksums.Entry{}
	from := map[string]int{}
	below := func(name, dir string) bool { return dir == "." || strings.HasPrefix(name, dir+"/") }
	remove := func(dir string, itself bool) {
		for name := range tree {
			if below(name, dir) && name != "." || itself && name == dir {
				delete(tree, name)
			}
		}
	}
	for i, layer := range layers {
		for _, e := range layer {
			if target, opaque, ok := checksums.Removes(e.Path); ok && !isNote(e.Path) {
				remove(target, !opaque)
			}
		}
		for _, e := range layer {
			if isMark(e.Path) {
				continue
			}
			if old, ok := tree[e.Path]; ok && from[e.Path] < i && old.Type == '5' && e.Type != '5' {
				for name := range tree {
					if below(name, e.Path) && from[name] < i {
						delete(tree, name)
					}
				}
			}
			tree[e.Path], from[e.Path] = e, i
		}
	}
	var names []string
	for name := range tree {
		names = append(names, name)
	}
	slices.SortFunc(names, checksums.ComparePaths)
	for i, name := range names {
		names[i] = fmt.Sprintf("%s@%d", entryText(tree[name]), from[name])
	}
	return strings.Join(names, " ")
}

// randomLayer is a layer in which every path has its directories.
func randomLayer(rnd *rand.Rand) []checksums.Entry {
	var words []string
	dirs := []string{""}
	seen := map[string]bool{}
	for range rnd.IntN(12) {
		dir := dirs[rnd.IntN(len(dirs))]
		name := dir + []string{"a", "+", "b", "zz", ".h"}[rnd.IntN(5)]
		if seen[name] {
			continue
		}
		switch rnd.IntN(6) {
		case 0, 1:
			words, dirs = append(words, name+"/"), append(dirs, name+"/")
			seen[name] = true
		case 2:
			words = append(words, dir+".wh."+path.Base(name))
		case 3:
			if dir != "" {
				words = append(words, dir+".wh..wh..opq")
			}
		default:
			words = append(words, fmt.Sprintf("%s=%d", name, rnd.IntN(512)))
			seen[name] = true
		}
	}
	var entries []checksums.Entry
	for _, w := range words {
		entries = append(entries, wordEntry(w))
	}
	return entries
}

func TestJoiningEqualsUnpackingOneAfterTheOther(t *testing.T) {
	for seed := range uint64(1000) {
		rnd := rand.New(rand.NewPCG(seed, 11))
		layers := make([][]checksums.Entry, 1+rnd.IntN(5))
		indexes := make([]*checksums.Index, len(layers))
		for i := range layers {
			layers[i] = randomLayer(rnd)
			indexes[i] = indexOf(t, layers[i])
		}
		if got, want := treeText(t, indexes), slowOverlay(layers); got != want {
			t.Fatalf("seed %d: %v\ngot  %s\nwant %s", seed, layers, got, want)
		}
	}
}

func TestJoiningEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Overlay(ctx, layersOf(t, "a=1"), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestTheNamesThatHardLinksDependOnAreBounded(t *testing.T) {
	target := strings.Repeat("d/", 2000) + "a"
	words := make([]string, 40)
	for i := range words {
		words[i] = fmt.Sprintf("l%d>%s", i, target)
	}
	_, err := Overlay(context.Background(), layersOf(t, "a=1", strings.Join(words, " ")), nil)
	if limit, ok := errors.AsType[*checksums.LimitError](err); !ok || limit.Limit != maxLinkBytes {
		t.Error(err)
	}
}
