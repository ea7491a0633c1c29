package verify

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/imageverify/verify"

// arrows says, for each package of this module, which packages of this module it
// may import: the "may import" column of docs/architecture.md, spelled out. A name that
// ends in "/*" stands for the package and all below it.
var arrows = map[string][]string{
	"cmd/verify":             {"internal/cli"},
	"internal/cli":           {".", "internal/*", "provenance/signature", "provenance/signed", "provenance/attestation", "rebuild/buildkit"},
	"internal/output":        {"."},
	"internal/demo":          {"."},
	".":                      {"rebuild", "rebuild/replay", "rebuild/packages", "provenance", "provenance/library", "provenance/source", "provenance/dockerfile", "provenance/history", "provenance/layout", "provenance/pins", "provenance/chain", "provenance/signed", "provenance/attestation", "checksums/*", "internal/image", "internal/local", "internal/network", "internal/cache", "internal/account"},
	"rebuild":                {"rebuild/replay", "provenance/*", "checksums/*"},
	"rebuild/replay":         {"provenance/dockerfile", "checksums/*"},
	"rebuild/packages":       {},
	"rebuild/buildkit":       {"rebuild", "provenance/dockerfile"},
	"provenance":             {"provenance/library", "provenance/source", "provenance/dockerfile", "provenance/history", "provenance/layout", "checksums/*"},
	"provenance/library":     {"provenance/source"},
	"provenance/source":      {"internal/network", "internal/cache"},
	"provenance/layout":      {"provenance/source", "checksums"},
	"provenance/dockerfile":  {},
	"provenance/history":     {"provenance/dockerfile"},
	"provenance/pins":        {"provenance/dockerfile"},
	"provenance/chain":       {},
	"provenance/signed":      {},
	"provenance/attestation": {},
	"provenance/signature":   {"provenance/signed", "provenance/attestation"},
	"checksums":              {"internal/cache"},
	"checksums/buildhash":    {"checksums"},
	"checksums/sums":         {"checksums"},
	"checksums/filetree":     {"checksums"},
	"internal/image":         {"checksums", "internal/network", "internal/cache"},
	"internal/local":         {},
	"internal/account":       {},
	"internal/network":       {},
	"internal/cache":         {},
}

// forTests are packages that only tests, and other such packages, may import.
var forTests = []string{"internal/corpus", "internal/builders", "internal/gitserver", "internal/signers", "internal/schema", "internal/tutorial", "internal/output/outputtest", "checksums/checksumstest", "provenance/dockerfile/dockerfiletest", "provenance/signature/signaturetest"}

func TestNoImportGoesAgainstTheArrowsOfTheArchitecture(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != ".") {
			return skipOr(err)
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			from := path.Dir(filepath.ToSlash(name))
			seen[from] = true
			checkImports(t, name, from)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for from := range arrows {
		if !seen[from] {
			t.Errorf("the table has a row for %s, which does not exist", from)
		}
	}
}

func skipOr(err error) error {
	if err != nil {
		return err
	}
	return fs.SkipDir
}

func checkImports(t *testing.T, name, from string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	allowed, known := arrows[from]
	if !known && !slices.Contains(forTests, from) {
		t.Errorf("%s: package %s has no row in the table", name, from)
	}
	for _, spec := range file.Imports {
		full, _ := strconv.Unquote(spec.Path.Value)
		to, inside := cutModule(full)
		if strings.HasPrefix(full, "github.com/spf13/") && from != "internal/cli" {
			t.Errorf("%s imports %s: only internal/cli knows the command line", name, full)
		}
		if inside && known && !allows(allowed, to) {
			t.Errorf("%s: %s must not import %s (it may import %v)", name, from, to, allowed)
		}
	}
}

func cutModule(full string) (string, bool) {
	if full == module {
		return ".", true
	}
	return strings.CutPrefix(full, module+"/")
}

func allows(allowed []string, to string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		root, below := strings.CutSuffix(a, "/*")
		return a == to || below && (to == root || strings.HasPrefix(to, root+"/")) && !slices.Contains(forTests, to)
	})
}

func TestTheArchitecturePageHasARowForEveryPackage(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for from := range arrows {
		row := "| `" + from + "` |"
		if from == "." {
			row = "| root package `verify` |"
		}
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/architecture.md has no row that begins %q", row)
		}
	}
}
