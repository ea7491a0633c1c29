package provenance

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/history"
	"github.com/imageverify/verify/provenance/library"
	"github.com/imageverify/verify/provenance/source"
)

// recordedText is what histories record of a Dockerfile of one stage, taken
// apart by hand so as to share nothing with what is tested: no comment, no FROM,
// of COPY and ADD the destination alone, and white space made one space.
func recordedText(text string) string {
	var out []string
	open := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if rest, ok := strings.CutSuffix(line, `\`); ok {
			open += rest + " "
			continue
		}
		words := strings.Fields(open + line)
		open = ""
		name := strings.ToUpper(words[0])
		switch {
		case name == "FROM" && words[1] != "scratch":
			continue
		case name == "COPY", name == "ADD":
			words = []string{name, words[len(words)-1]}
		case name == "ENV" && len(words) == 3 && !strings.Contains(words[1], "="):
			words = []string{name, words[1] + "=" + words[2]}
		}
		words[0] = name
		out = append(out, strings.Join(words, " "))
	}
	return strings.Join(out, "\n")
}

// neighbour is a Dockerfile that may be taken for another.
type neighbour struct {
	commit, directory, recorded string
	file                        *dockerfile.File
}

// neighbours finds those of one Dockerfile.
type neighbours struct {
	from  Sources
	repos map[string]*source.Repository
	texts map[string][]neighbour // of a repository's commit
	// alike is how many of a Dockerfile's neighbours match and do not, by its
	// place and the history: architectures differ in hashes alone.
	alike map[string][2]int
}

// at are the Dockerfiles of a commit that have the name.
func (n *neighbours) at(t *testing.T, repository, commit, file string) []neighbour {
	t.Helper()
	key := repository + " " + commit + " " + file
	if out, ok := n.texts[key]; ok {
		return out
	}
	if n.repos[repository] == nil {
		repo, err := n.from.Open(t.Context(), repository, true)
		if err != nil {
			t.Fatal(err)
		}
		n.repos[repository] = repo
	}
	c, err := n.repos[repository].Commit(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	root, err := c.FS(t.Context(), ".")
	if err != nil {
		t.Fatal(err)
	}
	var out []neighbour
	err = fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(name) != file || !d.Type().IsRegular() {
			return err
		}
		text, err := ReadDockerfile(root, name)
		if err != nil {
			return err
		}
		out = append(out, neighbour{commit, path.Dir(name), recordedText(string(text)), parsed(t, text)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	n.texts[key] = out
	return out
}

// versions are the entries of the record's tag next to its own, older and newer.
func (n *neighbours) versions(t *testing.T, r corpus.Record) []library.Entry {
	t.Helper()
	lib, err := n.from.Library(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := subjectOf(r)
	all, err := lib.Candidates(t.Context(), r.Name, s.Tag, library.Arch(s.OS, s.Architecture, s.Variant))
	if err != nil {
		t.Fatal(err)
	}
	own := func(c library.Candidate) bool {
		return c.Entry.Commit == r.Source.Commit && path.Clean(c.Entry.Directory) == path.Clean(r.Source.Directory)
	}
	var out []library.Entry
	for i, c := range all {
		if own(c) || c.Entry.Commit == "" {
			continue
		}
		if i > 0 && own(all[i-1]) || i+1 < len(all) && own(all[i+1]) {
			out = append(out, c.Entry)
		}
	}
	return out
}

func parsed(t *testing.T, text []byte) *dockerfile.File {
	t.Helper()
	f, err := dockerfile.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestANeighboursDockerfileMatchesOnlyWhereNothingRecordedDiffers(t *testing.T) {
	n := &neighbours{from: realSources(t), repos: map[string]*source.Repository{}, texts: map[string][]neighbour{}, alike: map[string][2]int{}}
	images, differing, directories, versions := 0, 0, 0, 0
	for _, r := range corpus.Records(t) {
		if !matchesFile(r, parsed(t, []byte(r.Dockerfile))) {
			continue
		}
		images++
		inTag := false
		recorded := recordedText(r.Dockerfile)
		inCommit := n.inCommit(t, r, recorded)
		differing += inCommit[1]
		for _, e := range n.versions(t, r) {
			for _, other := range n.at(t, e.Repository, e.Commit, e.File) {
				if other.directory == path.Clean(e.Directory) {
					inTag = checkNeighbour(t, r, recorded, other) || inTag
				}
			}
		}
		if inCommit[0] > 0 {
			directories++
		}
		if inTag {
			versions++
			if inCommit[0] == 0 {
				t.Errorf("%s for %s: only another version matches too, which a trace does not name", r.Ref, r.Arch)
			}
		}
	}
	if images != 322 || directories != 260 || versions != 86 || differing < 7000 {
		t.Errorf("of %d images %d have a neighbour in the commit that matches too, %d one among the tag's versions; %d neighbours differ", images, directories, versions, differing)
	}
}

var anyHash = regexp.MustCompile("[0-9a-f]{64}")

// inCommit counts the neighbours in the record's commit that match and those
// that do not.
func (n *neighbours) inCommit(t *testing.T, r corpus.Record, recorded string) [2]int {
	t.Helper()
	key := r.Source.Commit + " " + r.Source.Directory
	for _, h := range r.History {
		key += "\n" + anyHash.ReplaceAllString(h.CreatedBy, "")
	}
	if out, ok := n.alike[key]; ok {
		return out
	}
	var out [2]int
	for _, other := range n.at(t, r.Source.Repo, r.Source.Commit, r.Source.File) {
		switch {
		case other.directory == path.Clean(r.Source.Directory):
		case checkNeighbour(t, r, recorded, other):
			out[0]++
		default:
			out[1]++
		}
	}
	n.alike[key] = out
	return out
}

func matchesFile(r corpus.Record, f *dockerfile.File) bool {
	s := subjectOf(r)
	b, err := f.Evaluate(dockerfile.Options{OS: s.OS, Architecture: s.Architecture, Variant: s.Variant})
	return err == nil && history.Match(s.History, s.Layers, b).Matched
}

// checkNeighbour puts another Dockerfile in the place of the record's, and
// reports whether it matches: it must, where what is recorded is the same, and
// must not where it differs.
func checkNeighbour(t *testing.T, r corpus.Record, recorded string, other neighbour) bool {
	t.Helper()
	matched := matchesFile(r, other.file)
	if same := recorded == other.recorded; same != matched {
		t.Errorf("%s for %s: the Dockerfile of %s at %.12s is recorded the same: %v, matches: %v", r.Ref, r.Arch, other.directory, other.commit, same, matched)
	}
	return matched
}
