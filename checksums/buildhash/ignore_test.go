package buildhash

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestPatternsMatchAsDockerignoreSays(t *testing.T) {
	for _, c := range []struct {
		lines    string
		excluded string
		kept     string
	}{
		{"a", "a a/b a/b/c", "b ab b/a"},
		{"/a", "a a/b", "b/a"},
		{" a/ ", "a a/b", "b/a"},
		{"./a/../b", "b b/c", "a"},
		{"*.go", "x.go .go", "d/x.go x.gob"},
		{"*/x", "a/x a/x/y", "x a/b/x"},
		{"a?", "ab", "a abc a/"},
		{"[a-c]x", "ax cx", "dx x"},
		{"[^a]x", "bx", "ax"},
		{"**/x", "x a/x a/b/x a/b/x/y", "ax a/bx"},
		{"**", "a a/b", ""},
		{"a/**", "a/b a/b/c", "a"},
		{"a/**/x", "a/x a/b/x a/b/c/x", "x b/a/x"},
		{"**.go", "x.go a/x.go a/b/x.go", "x.gob"},
		{`\*`, "*", "a"},
		{"a.b", "a.b", "axb"},
		{"a(b)+{1}$|", "a(b)+{1}$|", "ab"},
		{"# a\n#b\nc", "c", "a b #b"},
		{"*\n!a\n!b/c", "x b b/d", "a a/b b/c b/c/d"},
		{"a\n!a/b\na/b/c", "a a/x a/b/c", "a/b a/b/d"},
		{"!a\na", "a", "b"},
		{"a\n/!a", "", "a b"},
		{"\uFEFFa\r\n\r\nb\r\n", "a b", "c"},
	} {
		list, err := parseIgnore([]byte(c.lines))
		if err != nil {
			t.Errorf("%q: %v", c.lines, err)
			continue
		}
		for _, name := range strings.Fields(c.excluded) {
			if !list.excludes(name) {
				t.Errorf("%q does not exclude %q", c.lines, name)
			}
		}
		for _, name := range append(strings.Fields(c.kept), ".") {
			if list.excludes(name) {
				t.Errorf("%q excludes %q", c.lines, name)
			}
		}
	}
}

func TestBadPatternsAndLongListsAreErrors(t *testing.T) {
	for _, line := range []string{"!", "!/", "/!", "[", "a[", `a\`, "[]a]", "[-"} {
		if _, err := parseIgnore([]byte("ok\n" + line)); err == nil || !strings.Contains(err.Error(), "pattern ") {
			t.Errorf("%q: error %v", line, err)
		}
	}
	longest := bytes.Repeat([]byte("#"), maxIgnoreFile)
	if _, err := parseIgnore(longest); err != nil {
		t.Errorf("a list as long as allowed: %v", err)
	}
	if _, err := parseIgnore(append(longest, 'a')); !errors.Is(err, errIgnoreTooLong) {
		t.Errorf("a list one byte longer: error %v", err)
	}
	line := strings.Repeat("a", maxIgnorePattern)
	if _, err := parseIgnore([]byte(line)); err != nil {
		t.Errorf("a line as long as allowed: %v", err)
	}
	if _, err := parseIgnore([]byte(line + "a")); !errors.Is(err, errIgnoreTooLong) {
		t.Errorf("a line one byte longer: error %v", err)
	}
	many := strings.Repeat("a\n", maxIgnorePatterns)
	if _, err := parseIgnore([]byte(many)); err != nil {
		t.Errorf("as many patterns as allowed: %v", err)
	}
	if _, err := parseIgnore([]byte(many + "a\n")); !errors.Is(err, errIgnoreTooLong) {
		t.Errorf("one pattern more: error %v", err)
	}
}

func TestAContextHoldsWhatItsListLeaves(t *testing.T) {
	files := fstest.MapFS{ignoreName: {Data: []byte("*\n!keep\n!d/e/f.go\n!**/deep.go\n"), Mode: 0o644}}
	for _, name := range []string{"Dockerfile", "keep", "drop", "d/drop", "d/e/f.go", "d/e/drop", "x/deep.go"} {
		files[name] = &fstest.MapFile{Mode: 0o644}
	}
	for _, c := range []struct {
		how  Ignoring
		want string
	}{
		{IgnoreClassic, ". d d/e d/e/f.go keep"},
		{IgnoreBuildKit, ". d d/e d/e/f.go keep x x/deep.go"},
		{IgnorePiped, ". d d/drop d/e d/e/drop d/e/f.go drop keep x x/deep.go"},
		{IgnoreNothing, ". .dockerignore Dockerfile d d/drop d/e d/e/drop d/e/f.go drop keep x x/deep.go"},
	} {
		context, err := NewContext(files, c.how)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = context.Walk(t.Context(), ".", func(name string, info fs.FileInfo) error {
			got = append(got, name)
			if _, _, err := context.Resolve(name); err != nil {
				t.Errorf("%s is walked but cannot be resolved: %v", name, err)
			}
			return nil
		})
		if err != nil || !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%d: got %v (error %v), want %s", c.how, got, err, c.want)
		}
		if _, _, err := context.Resolve("d/e/drop"); (c.how == IgnoreClassic || c.how == IgnoreBuildKit) != errors.Is(err, ErrNoSource) {
			t.Errorf("%d: resolving what may be excluded: error %v", c.how, err)
		}
	}
}

func TestAFolderThatWasNotSentIsHashedAsItsName(t *testing.T) {
	context := fstest.MapFS{
		ignoreName: {Data: []byte("d\n!d/f"), Mode: 0o644},
		"d":        {Mode: fs.ModeDir | 0o755},
		"d/f":      {Data: []byte("f"), Mode: 0o644},
	}
	v := Variant{Umask: 0o022}
	file := strings.TrimPrefix(slowSum(context, v, "d/f"), "file:")
	got, err := Sum(t.Context(), context, []string{"d"}, v)
	if want := "dir:" + sumTexts([]string{file, "d"}); err != nil || got != want && got != "dir:"+sumTexts([]string{"d", file}) {
		t.Errorf("got %s (error %v), want %s", got, err, want)
	}
}

// FuzzIgnore's law: a list parses or is an error; what parses judges every
// path without a panic, in the same way every time, and never the root.
func FuzzIgnore(f *testing.F) {
	for _, seed := range []string{"a", "**/x\n!a/**", "[^a-]\\*", "# c\n!b", "a**b***c", "\xff", "!*/\n/"} {
		f.Add([]byte(seed), "a/b/c.go")
	}
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		list, err := parseIgnore(data)
		if err != nil {
			if list != nil {
				t.Fatal("an error with a list")
			}
			return
		}
		first := list.excludes(name)
		if again := list.excludes(name); again != first || list.excludes(".") {
			t.Fatalf("%q is judged in two ways, or the root is excluded", name)
		}
	})
}
