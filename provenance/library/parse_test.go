package library

import (
	"errors"
	"fmt"
	"path"
	"reflect"
	"strings"
	"testing"
)

const (
	commitA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	commitC = "cccccccccccccccccccccccccccccccccccccccc"
)

// paragraphs is a file as the library has them now.
const paragraphs = `# a comment before anything
Maintainers: One Person <one@example.org> (@one),
             Another <two@example.org> (@two)
GitRepo: https://example.org/images.git
GitFetch: refs/heads/main
# a comment between fields
GitCommit: ` + commitA + `
arm64v8-GitCommit: ` + commitB + `

Tags: 1.2.3, 1.2, latest
SharedTags: all,
            # a comment in a list
            every
Architectures: amd64, arm64v8, windows-amd64
Directory: one/
windows-amd64-Directory: windows/
windows-amd64-File: Dockerfile.win
Builder: Buildkit

Tags: 1.1
GitCommit: ` + commitC + `
Directory: ./old//dir/
File: Dockerfile.old


Tags: oci
Architectures: amd64
amd64-GitFetch: refs/heads/dist
amd64-GitCommit: ` + strings33 + `
Builder: oci-import
Directory: /oci/
File: index.json
`

const strings33 = "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC"

func mustParse(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParagraphsInheritFromTheFirst(t *testing.T) {
	f := mustParse(t, paragraphs)
	const repo = "https://example.org/images.git"
	tags, shared := []string{"1.2.3", "1.2", "latest"}, []string{"all", "every"}
	for _, one := range []struct {
		tag, arch string
		want      []Entry
	}{
		{"1.2", "amd64", []Entry{{tags, shared, "amd64", repo, commitA, "refs/heads/main", "one", "Dockerfile", "buildkit"}}},
		{"every", "arm64v8", []Entry{{tags, shared, "arm64v8", repo, commitB, "refs/heads/main", "one", "Dockerfile", "buildkit"}}},
		{"all", "windows-amd64", []Entry{{tags, shared, "windows-amd64", repo, commitA, "refs/heads/main", "windows", "Dockerfile.win", "buildkit"}}},
		{"1.1", "amd64", []Entry{{[]string{"1.1"}, nil, "amd64", repo, commitC, "refs/heads/main", "old/dir", "Dockerfile.old", ""}}},
		{"oci", "amd64", []Entry{{[]string{"oci"}, nil, "amd64", repo, commitC, "refs/heads/dist", "oci", "index.json", "oci-import"}}},
		{"1.1", "arm64v8", nil}, // without Architectures an entry is for amd64 alone
		{"1.2", "s390x", nil},
		{"1", "amd64", nil},
	} {
		if got := f.Entries(one.tag, one.arch); fmt.Sprint(got) != fmt.Sprint(one.want) || len(got) != len(one.want) {
			t.Errorf("%s for %s:\n%+v\nwant\n%+v", one.tag, one.arch, got, one.want)
		}
	}
	if got, want := f.Tags("amd64"), []string{"1.2.3", "1.2", "latest", "all", "every", "1.1", "oci"}; !reflect.DeepEqual(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
}

func TestDirectoryAndFileHaveDefaults(t *testing.T) {
	f := mustParse(t, "Maintainers: x\n\nTags: a\nGitRepo: https://example.org/x\nGitCommit: "+commitA+"\n")
	want := Entry{Tags: []string{"a"}, Architecture: "amd64", Repository: "https://example.org/x", Commit: commitA, Directory: ".", File: "Dockerfile"}
	if got := f.Entries("a", "amd64"); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestWhatTheLibrarysToolsForgiveIsForgiven(t *testing.T) {
	const rest = "GitRepo: https://example.org/x\nGitCommit: " + commitA + "\n"
	for name, text := range map[string]string{
		"a line of spaces inside a paragraph":  "Maintainers: x,\n   \n" + rest + "\nTags: a\n",
		"a space before the colon":             "Maintainers: x\nGitCommit : " + commitA + "\nGitRepo: https://example.org/x\n\nTags: a\n",
		"a field twice, of which the last one": "Maintainers: x\n" + rest + "\nTags: b\nTags: a\n",
		"lines that end in CR LF":              strings.ReplaceAll("Maintainers: x\n"+rest+"\nTags: a\n", "\n", "\r\n"),
		"no first paragraph":                   "Tags: a\n" + rest,
		"names in small letters":               "maintainers: x\n" + strings.ToLower(rest) + "\ntags: a\n",
		"an architecture's field first":        "amd64-GitCommit: " + commitA + "\nGitRepo: https://example.org/x\n\nTags: a\n",
		"many empty lines":                     "\n\n\nMaintainers: x\n" + rest + "\n\n\n\nTags: a\n\n",
	} {
		f, err := parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := f.Entries("a", "amd64"); len(got) != 1 || got[0].Commit != commitA {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestTheOlderFormsHaveALineATag(t *testing.T) {
	f := mustParse(t, `# maintainer: One Person <one@example.org> (@one)

8.1: git://example.org/debian@`+commitA+` jessie
8: git://example.org/debian@`+commitA+`
tagged: git://me@example.org/debian@v1.0 sub/dir/
`)
	for tag, want := range map[string]Entry{
		"8.1":    {Repository: "git://example.org/debian", Commit: commitA, Directory: "jessie"},
		"8":      {Repository: "git://example.org/debian", Commit: commitA, Directory: "."},
		"tagged": {Repository: "git://me@example.org/debian", Fetch: "v1.0", Directory: "sub/dir"},
	} {
		checkOld(t, f, tag, want)
	}
	f = mustParse(t, "latest\tgit://example.org/u\nprecise\tgit://example.org/u\t\tB:precise\n1\tgit://example.org/u T:v1\n2\tgit://example.org/u C:"+commitB+"\n")
	for tag, want := range map[string]Entry{
		"latest":  {Fetch: "HEAD"},
		"precise": {Fetch: "refs/heads/precise"},
		"1":       {Fetch: "refs/tags/v1"},
		"2":       {Commit: commitB},
	} {
		want.Repository, want.Directory = "git://example.org/u", "."
		checkOld(t, f, tag, want)
	}
}

func checkOld(t *testing.T, f *File, tag string, want Entry) {
	t.Helper()
	want.Tags, want.Architecture, want.File = []string{tag}, "amd64", "Dockerfile"
	if got := f.Entries(tag, "amd64"); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("%s: %+v\nwant %+v", tag, got, want)
	}
}

func TestMalformedFilesSayWhereTheyAre(t *testing.T) {
	const first = "Maintainers: x\nGitRepo: https://example.org/x\n\n"
	for text, want := range map[string]string{
		first + "Tags: a\nnonsense here\n":          `library file, line 5: not a field: "nonsense here"`,
		first + "Directory: a\n":                    "library file, line 4: paragraph without Tags",
		first + "Tags: a\n":                         `library file, line 4: no GitCommit for "amd64"`,
		"Maintainers: x\n\nTags: a\nGitCommit: x\n": `library file, line 3: no GitRepo for "amd64"`,
		first + "  continued\n":                     "library file, line 4: continuation of no field",
		"a: example.org@" + commitA:                 `library file, line 1: neither a field nor a tag with its repository: "a: example.org@` + commitA + `"`,
		"a: git://x@ dir":                           `library file, line 1: neither a field nor a tag with its repository: "a: git://x@ dir"`,
		"a git://x X:y":                             `library file, line 1: neither a field nor a tag with its repository: "a git://x X:y"`,
		"\n\na: " + strings.Repeat("z", 100):        `library file, line 3: neither a field nor a tag with its repository: "a: ` + strings.Repeat("z", 57) + `"`,
	} {
		_, err := Parse(strings.NewReader(text))
		var bad *ParseError
		if !errors.As(err, &bad) || err.Error() != want {
			t.Errorf("%q:\n%v\nwant\n%s", text, err, want)
		}
	}
}

func TestTheBoundsOfAFileAreKept(t *testing.T) {
	const first = "Maintainers: x\nGitRepo: https://example.org/x\nGitCommit: " + commitA + "\n\n"
	for name, one := range map[string]struct {
		text string
		ok   bool
	}{
		"4 MiB":                        {first + "Tags: a\n" + strings.Repeat("#", maxFile-len(first)-8), true},
		"4 MiB and a byte":             {first + "Tags: a\n" + strings.Repeat("#", maxFile-len(first)-7), false},
		"10,000 paragraphs":            {first + strings.Repeat("Tags: a\n\n", maxParagraphs-1), true},
		"10,001 paragraphs":            {first + strings.Repeat("Tags: a\n\n", maxParagraphs), false},
		"10,000 tags":                  {first + "Tags: " + strings.Repeat("a,", maxTags), true},
		"10,001 tags":                  {first + "Tags: " + strings.Repeat("a,", maxTags+1), false},
		"10,000 lines of the old form": {strings.Repeat("a: git://x@y\n", maxParagraphs), true},
		"10,001 lines of the old form": {strings.Repeat("a: git://x@y\n", maxParagraphs+1), false},
	} {
		if _, err := Parse(strings.NewReader(one.text)); (err == nil) != one.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(paragraphs)
	f.Add("8.1: git://example.org/debian@" + commitA + " jessie\n")
	f.Add("precise\tgit://example.org/u\t\tB:precise\n")
	f.Add("Maintainers: x\n\nTags: a\n  \n b\n")
	f.Add("GitRepo: r\nGitCommit: b\nTags: a\nDirectory: x /\n") // a folder whose name ends in a space
	// The law: an entry has its tag, a repository, something to check out and a
	// clean relative directory; and a comment at the end changes nothing.
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parse(text)
		again, errAgain := parse(text + "\n# end")
		if (err == nil) != (errAgain == nil) {
			t.Fatalf("%v, with a comment %v", err, errAgain)
		}
		if err != nil {
			return
		}
		if !reflect.DeepEqual(file, again) {
			t.Error("a comment changed the file")
		}
		for _, tag := range file.Tags("amd64") {
			entries := file.Entries(tag, "amd64")
			if len(entries) == 0 {
				t.Errorf("tag %q without an entry", tag)
			}
			for _, e := range entries {
				if e.Repository == "" || e.Commit == "" && e.Fetch == "" || e.Commit != "" && !isCommit(e.Commit) ||
					e.File == "" || path.IsAbs(e.Directory) || e.Directory != path.Clean(e.Directory) {
					t.Errorf("%+v", e)
				}
			}
		}
	})
}

func TestArchNamesPlatformsAsTheLibraryDoes(t *testing.T) {
	for _, one := range [][4]string{
		{"linux", "amd64", "", "amd64"}, {"linux", "amd64", "v3", "amd64"}, {"linux", "x86_64", "", "amd64"},
		{"linux", "386", "", "i386"}, {"linux", "arm64", "v8", "arm64v8"}, {"linux", "arm64", "", "arm64v8"}, {"linux", "aarch64", "", "arm64v8"},
		{"linux", "arm", "v5", "arm32v5"}, {"linux", "arm", "v6", "arm32v6"}, {"linux", "arm", "v7", "arm32v7"}, {"linux", "arm", "", "arm32v7"},
		{"linux", "ppc64le", "", "ppc64le"}, {"linux", "s390x", "", "s390x"}, {"linux", "riscv64", "", "riscv64"}, {"linux", "mips64le", "", "mips64le"},
		{"windows", "amd64", "", "windows-amd64"}, {"", "amd64", "", "amd64"},
	} {
		if got := Arch(one[0], one[1], one[2]); got != one[3] {
			t.Errorf("Arch(%s, %s, %s) = %s, want %s", one[0], one[1], one[2], got, one[3])
		}
	}
}
