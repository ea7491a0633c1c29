package source

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestNormalizeURLKeepsOnlyWhatTellsRepositoriesApart(t *testing.T) {
	const want = "github.com/docker-library/python"
	for _, given := range []string{
		"https://github.com/docker-library/python",
		"https://github.com/docker-library/python.git",
		"https://github.com/docker-library/python.git/",
		"https://user:secret@GitHub.com/docker-library/python/",
		"git://github.com/docker-library/python",
		"http://github.com:80/docker-library/python",
		"https://github.com:443/docker-library/python",
		"ssh://git@github.com/docker-library/python.git",
		"git@github.com:docker-library/python.git",
		"https://github.com/docker-library/python.git#abc:dir",
		"https://github.com/docker-library/python?x=y",
		" github.com/docker-library/python ",
	} {
		if got := NormalizeURL(given); got != want {
			t.Errorf("NormalizeURL(%q) = %q, want %q", given, got, want)
		}
	}
	for given, want := range map[string]string{
		"https://example.org":           "example.org",
		"https://example.org:8443/a":    "example.org:8443/a",
		"https://example.org/A.git":     "example.org/A",
		"https://github.com/a/gitea":    "github.com/a/gitea",
		"https://github.com/a/b/c.git/": "github.com/a/b/c",
		"":                              "",
	} {
		if got := NormalizeURL(given); got != want {
			t.Errorf("NormalizeURL(%q) = %q, want %q", given, got, want)
		}
	}
}

func FuzzNormalizeURL(f *testing.F) {
	for _, seed := range []string{"https://github.com/a/b.git", "git@h:p/q.git/", "a:1/b", "://", "@", ":", "http://www.x//y.git.git"} {
		f.Add(seed)
	}
	// The law: two spellings with and without scheme and user are one.
	f.Fuzz(func(t *testing.T, text string) {
		plain := NormalizeURL("https://example.org/" + text)
		if got := NormalizeURL("git://me@EXAMPLE.org:443/" + text); got != plain {
			t.Errorf("%q: %q and %q", text, got, plain)
		}
	})
}

func TestOnlyHTTPSIsFetched(t *testing.T) {
	for given, want := range map[string]string{
		"https://github.com/a/b.git":              "https://github.com/a/b.git",
		"https://user:secret@github.com/a/b/?q#f": "https://github.com/a/b",
		"git://github.com/a/b":                    "https://github.com/a/b",
		"http://github.com/a/b":                   "https://github.com/a/b",
		"git://github.com:9418/a/b":               "https://github.com/a/b",
		"https://git.example.org:8443/a":          "https://git.example.org:8443/a",
	} {
		if got, err := fetchURL(given); got != want || err != nil {
			t.Errorf("fetchURL(%q) = %q, %v; want %q", given, got, err, want)
		}
	}
	for _, given := range []string{
		"git://example.org/a", "http://example.org/a", "ssh://github.com/a/b", "git@github.com:a/b", "file:///etc",
		"/etc", "ext::sh -c x", "-oProxyCommand=x", "", "https://", "ftp://github.com/a", "git+ssh://github.com/a",
	} {
		if got, err := fetchURL(given); !errors.Is(err, ErrScheme) {
			t.Errorf("fetchURL(%q) = %q, %v; want ErrScheme", given, got, err)
		}
	}
}

func TestMirrorsAreFoundByFullURLAndByPrefix(t *testing.T) {
	base := t.TempDir()
	for _, dir := range []string{"full.git", "all/x", "all/y.git", "all/deep/z.git", "longer/y"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(base, name) }
	mirrors := map[string]string{
		"https://github.com/own/full":     at("full.git"),
		"https://github.com/":             at("all"),
		"https://github.com/longer/":      at("longer"),
		"https://github.com/own/missing/": at("nowhere"),
		"https://github.com/own/gone":     at("gone"),
	}
	for given, want := range map[string]string{
		"git://github.com/own/full.git":   at("full.git"),
		"https://GitHub.com/x":            at("all/x"),
		"https://github.com/y.git":        at("all/y.git"),
		"https://github.com/deep/z":       at("all/deep/z.git"),
		"https://github.com/longer/y":     at("longer/y"),
		"https://github.com/own/other":    "",
		"https://github.com/own/fuller":   "",
		"https://github.com/../full.git":  "",
		"https://github.com/a/../../full": "",
		"https://gitlab.com/x":            "",
		"https://github.com":              "",
	} {
		got, ok, err := mirrorPath(mirrors, given)
		if got != want || ok != (want != "") || err != nil {
			t.Errorf("mirror of %q: %q, %v, %v; want %q", given, got, ok, err, want)
		}
	}
	if _, _, err := mirrorPath(mirrors, "https://github.com/own/gone"); !errors.Is(err, ErrNotRepository) {
		t.Errorf("a mirror named in full that is missing: %v; want ErrNotRepository", err)
	}
}
