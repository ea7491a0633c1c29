package sums

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

const content = "content of a tarball"

var (
	sum256 = fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
	sum512 = fmt.Sprintf("%x", sha512.Sum512([]byte(content)))
	sum384 = fmt.Sprintf("%x", sha512.Sum384([]byte(content)))
	sumMD5 = fmt.Sprintf("%x", md5.Sum([]byte(content)))
	zero   = strings.Repeat("0", 64)
)

func TestEveryFormOfAListIsRead(t *testing.T) {
	for _, c := range []struct {
		name, list string
		want       []Entry
	}{
		{"coreutils, text", sum256 + "  a.tar.gz\n", []Entry{{"a.tar.gz", "sha256", sum256, 1}}},
		{"coreutils, binary", sum512 + " *b/a.tar.gz", []Entry{{"b/a.tar.gz", "sha512", sum512, 1}}},
		{"upper case", strings.ToUpper(sum256) + "  a\n", []Entry{{"a", "sha256", sum256, 1}}},
		{"spaces in the name", sum256 + "   a b \n", []Entry{{" a b ", "sha256", sum256, 1}}},
		{"escaped", `\` + sum256 + `  a\\b\nc\rd` + "\n", []Entry{{"a\\b\nc\rd", "sha256", sum256, 1}}},
		{"backslashes that are not escaped", sum256 + `  a\b`, []Entry{{`a\b`, "sha256", sum256, 1}}},
		{"BSD", "SHA256 (a (1).tar) = " + sum256, []Entry{{"a (1).tar", "sha256", sum256, 1}}},
		{"one bare digest", sum384 + "\n", []Entry{{"", "sha384", sum384, 1}}},
		{"Windows line ends", sum256 + "  a\r\n", []Entry{{"a", "sha256", sum256, 1}}},
		{"comments and blank lines", "# made by hand\n\n" + sum256 + "  a\n", []Entry{{"a", "sha256", sum256, 3}}},
		{"a line twice", sum256 + "  a\n" + sum256 + " *a\n", []Entry{{"a", "sha256", sum256, 1}}},
		{"two algorithms", sum256 + "  a\n" + sum512 + "  a\n", []Entry{{"a", "sha256", sum256, 1}, {"a", "sha512", sum512, 2}}},
		{"nothing", "", nil},
	} {
		got, err := Parse(strings.NewReader(c.list))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v (error %v), want %v", c.name, got, err, c.want)
		}
	}
}

func TestBrokenListsAreErrorsThatNameTheLine(t *testing.T) {
	ok := sum256 + "  ok\n"
	for _, c := range []struct {
		name, list string
		kind       error
		message    string
	}{
		{"two digests for one name", ok + zero + "  ok", ErrTwoSums, "line 2: two different digests for one name"},
		{"two bare digests", sum256 + "\n" + zero, ErrTwoSums, "line 2: two different digests for one name"},
		{"prose", ok + ok + "hello world", ErrSyntax, "line 3: not a checksum line"},
		{"a digest one digit short", sum256[1:] + "  a", ErrSyntax, "line 1: not a checksum line"},
		{"a digit that is none", "g" + sum256[1:] + "  a", ErrSyntax, "line 1: not a checksum line"},
		{"one space", sum256 + " a", ErrSyntax, "line 1: not a checksum line"},
		{"no name", sum256 + "  ", ErrSyntax, "line 1: not a checksum line"},
		{"an escape that is none", `\` + sum256 + `  a\t`, ErrSyntax, "line 1: not a checksum line"},
		{"an escape that is cut off", `\` + sum256 + `  a\`, ErrSyntax, "line 1: not a checksum line"},
		{"BSD with another algorithm's length", "SHA256 (a) = " + sum512, ErrSyntax, "line 1: not a checksum line"},
		{"a name that is not UTF-8", sum256 + "  \xff", ErrSyntax, "line 1: not a checksum line"},
		{"a page instead of a list", "<!DOCTYPE html>\n", ErrSyntax, "line 1: not a checksum line"},
	} {
		got, err := Parse(strings.NewReader(c.list))
		if !errors.Is(err, c.kind) || err.Error() != c.message || got != nil {
			t.Errorf("%s: %v, error %v, want %q", c.name, got, err, c.message)
		}
	}
}

func TestListsAreBoundedOnBothSides(t *testing.T) {
	line := func(n int) string { return sum256 + "  " + strings.Repeat("a", n-66) }
	for _, c := range []struct {
		name, list string
		fits       bool
	}{
		{"a line as long as allowed", line(maxLine), true},
		{"a line one byte longer", line(maxLine + 1), false},
		{"as many lines as allowed", strings.Repeat("#\n", maxLines), true},
		{"one line more", strings.Repeat("#\n", maxLines+1), false},
		{"as many bytes as allowed", strings.Repeat(strings.Repeat("#", 4095)+"\n", maxFile/4096), true},
		{"one byte more", strings.Repeat(strings.Repeat("#", 4095)+"\n", maxFile/4096) + "\n", false},
	} {
		if _, err := Parse(strings.NewReader(c.list)); c.fits && err != nil || !c.fits && !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
}

func TestAFileIsCheckedAgainstTheListThatNamesIt(t *testing.T) {
	equal := func(line int, algorithm, sum string) Result { return Result{ListedAndEqual, line, algorithm, sum, sum} }
	for _, c := range []struct {
		label, list, name string
		want              Result
	}{
		{"by its path", zero + "  other\n" + sum512 + "  x86_64/a.tar", "x86_64/a.tar", equal(2, "sha512", sum512)},
		{"by its base name", sum256 + "  x86_64/a.tar", "a.tar", equal(1, "sha256", sum256)},
		{"the path before another's base name", zero + "  old/a.tar\n" + sum256 + "  a.tar", "a.tar", equal(2, "sha256", sum256)},
		{"with ./ before it", sum256 + "  ./a.tar", "a.tar", equal(1, "sha256", sum256)},
		{"by a bare digest", sum256, "x86_64/a.tar", equal(1, "sha256", sum256)},
		{"by the strongest digest", zero + "  a.tar\n" + sum512 + "  a.tar", "a.tar", equal(2, "sha512", sum512)},
		{"not at all", sum256 + "  b.tar", "a.tar", Result{Status: NotListed}},
		{"under another folder", sum256 + "  x86/a.tar", "x86_64/a.tar", Result{Status: NotListed}},
		{"outside the list's folder", sum256 + "  ../a.tar", "x/../../b.tar", Result{Status: NotListed}},
		{"in an empty list", "", "a.tar", Result{Status: NotListed}},
		{"with another digest", zero + "  a.tar", "a.tar", Result{Differs, 1, "sha256", zero, sum256}},
	} {
		got, err := Check(t.Context(), strings.NewReader(c.list), c.name, strings.NewReader(content))
		if err != nil || got != c.want {
			t.Errorf("%s: %v (error %v), want %v", c.label, got, err, c.want)
		}
	}
}

func TestListsThatProveNothingAreErrors(t *testing.T) {
	for _, c := range []struct {
		label, list string
		kind        error
	}{
		{"two digests under two spellings of a name", sum256 + "  a.tar\n" + zero + "  ./a.tar", ErrTwoSums},
		{"two digests under two folders", sum256 + "  x/a.tar\n" + zero + "  y/a.tar", ErrTwoSums},
		{"two digests for another name", sum256 + "  a.tar\n" + sum256 + "  b\n" + zero + "  b", ErrTwoSums},
		{"MD5 alone", sumMD5 + "  a.tar", ErrWeak},
		{"not a list", "<html>", ErrSyntax},
	} {
		got, err := Check(t.Context(), strings.NewReader(c.list), "a.tar", strings.NewReader(content))
		if !errors.Is(err, c.kind) || got != (Result{}) {
			t.Errorf("%s: %v, error %v, want %v", c.label, got, err, c.kind)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, strings.NewReader(sum256+"  a.tar"), "a.tar", strings.NewReader(content)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: error %v", err)
	}
}

func TestDistributorsAreFoundByAnyFormOfTheirURL(t *testing.T) {
	for _, url := range []string{"https://github.com/alpinelinux/docker-alpine", "https://github.com/alpinelinux/docker-alpine.git",
		"git://user@GitHub.com/alpinelinux/docker-alpine.git/", "git@github.com:alpinelinux/docker-alpine.git", "github.com/alpinelinux/docker-alpine/"} {
		d, ok := Find(url)
		if !ok || d.Name != "Alpine Linux" || len(d.Lists) != 1 || d.Lists[0] != (List{Where: RepositoryRoot, File: "checksums.sha512", Algorithm: "sha512"}) {
			t.Errorf("%s: %v, %v", url, d, ok)
		}
	}
	for _, url := range []string{"", "https://", "https://github.com/alpinelinux/docker-alpine2", "https://github.com/Alpinelinux/docker-alpine",
		"https://github.com.evil.example/alpinelinux/docker-alpine", "https://github.com/alpinelinux/docker-alpine?x", "https://evil.example/github.com/alpinelinux/docker-alpine"} {
		if d, ok := Find(url); ok {
			t.Errorf("%s: %v", url, d)
		}
	}
}

func TestAlpinesOwnListsNameItsTarballs(t *testing.T) {
	mirror := filepath.Join(corpus.Dir(t), "git", "alpinelinux+docker-alpine.git")
	checked := 0
	for commit, version := range map[string]string{
		"cb8d8712f672bfa9a8b9a1f64b2c12f369f1cc68": "3.14.10",
		"7d63673353bd39d92ba42f6effcc199aeebd45ee": "3.20.3",
	} {
		list := gitFile(t, mirror, commit, "checksums.sha512")
		entries, err := Parse(strings.NewReader(list))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			file := gitFile(t, mirror, commit, e.Name)
			got, err := Check(t.Context(), strings.NewReader(list), e.Name, strings.NewReader(file))
			if err != nil || got.Status != ListedAndEqual || got.Line != e.Line || got.Algorithm != "sha512" {
				t.Errorf("%s %s: %v (error %v)", version, e.Name, got, err)
			}
			got, err = Check(t.Context(), strings.NewReader(list), filepath.Base(e.Name), strings.NewReader(file+"x"))
			if err != nil || got.Status != Differs {
				t.Errorf("%s %s with a byte more: %v (error %v)", version, e.Name, got, err)
			}
			checked++
		}
	}
	if checked != 15 {
		t.Errorf("%d tarballs checked, want 15", checked)
	}
}

func gitFile(t testing.TB, mirror, commit, name string) string {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	cmd := exec.Command(git, "-C", mirror, "cat-file", "blob", commit+":"+name)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git cat-file %s: %v", name, err)
	}
	return string(out)
}

// FuzzParse's law: what parses writes back, in the form of coreutils, to a list
// that parses to the same entries; an error comes without entries.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{sum256 + "  a\n", sum512 + " *b/c\r\n", `\` + sum256 + `  a\\b\n`, "SHA256 (a) = " + sum256, sum384, "# c\n\n"} {
		f.Add([]byte(seed))
	}
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := Parse(strings.NewReader(string(data)))
		if err != nil {
			if entries != nil {
				t.Fatal("an error with entries")
			}
			return
		}
		var again strings.Builder
		for _, e := range entries {
			line := `\` + e.Digest + "  " + escape.Replace(e.Name)
			if e.Name == "" {
				line = e.Digest
			}
			if len(line) > maxLine {
				return // escaping made it longer than a line may be
			}
			again.WriteString(line + "\n")
		}
		back, err := Parse(strings.NewReader(again.String()))
		if err != nil || len(back) != len(entries) {
			t.Fatalf("%q wrote back to %q: %v", data, again.String(), err)
		}
		for i := range entries {
			entries[i].Line, back[i].Line = 0, 0
			if entries[i] != back[i] {
				t.Fatalf("%v wrote back as %v", entries[i], back[i])
			}
		}
	})
}
