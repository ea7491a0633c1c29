package buildhash

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/imageverify/verify/internal/corpus"
)

var copyLine = regexp.MustCompile(`(?mi)^(?:COPY|ADD)\s+(.*)$`)

// oldImage is an image of 2018 with the source that its Dockerfile stands in.
type oldImage struct {
	Ref, Dockerfile string
	History         []struct {
		CreatedBy string `json:"created_by"`
	}
	Source struct{ Repo, Commit, Directory string }
}

// hashes returns the sources and the hash of each COPY and ADD of local files.
// The last hashes of the history are those of the Dockerfile's own directives.
func (o oldImage) hashes() (sources [][]string, hashes []string) {
	for _, h := range o.History {
		if m := hashInHistory.FindStringSubmatch(h.CreatedBy); m != nil {
			hashes = append(hashes, m[1])
		}
	}
	for _, m := range copyLine.FindAllStringSubmatch(o.Dockerfile, -1) {
		words := strings.Fields(m[1])
		sources = append(sources, words[:len(words)-1])
	}
	if len(hashes) < len(sources) {
		return nil, nil
	}
	return sources, hashes[len(hashes)-len(sources):]
}

func TestHashesOfOfficialImagesOf2018NameTheOwner(t *testing.T) {
	dir := corpus.Dir(t)
	f, err := os.Open(filepath.Join(dir, "histories", "official-2018-03.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const want = "git archive, daemon up to 17.x (0664, no type bits, root)"
	contexts := map[string]fstest.MapFS{}
	matched := 0
	lines := bufio.NewScanner(f)
	for lines.Buffer(nil, 16<<20); lines.Scan(); {
		var o oldImage
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		sources, hashes := o.hashes()
		name := strings.TrimSuffix(strings.TrimPrefix(o.Source.Repo, "https://github.com/"), ".git")
		mirror := filepath.Join(dir, "git", strings.Replace(name, "/", "+", 1)+".git")
		key := o.Source.Commit + ":" + o.Source.Directory
		if len(sources) > 0 && contexts[key] == nil {
			contexts[key] = gitFolder(t, mirror, o.Source.Commit, strings.TrimPrefix(o.Source.Directory, "."))
		}
		for i := range sources {
			v, ok, err := Match(t.Context(), contexts[key], sources[i], hashes[i])
			if err != nil || !ok || v.Name != want {
				t.Errorf("%s: COPY %v: matched %v as %q (error %v)", o.Ref, sources[i], ok, v.Name, err)
				continue
			}
			matched++
		}
	}
	if err := lines.Err(); err != nil || matched != 56 {
		t.Errorf("%d hashes matched, want 56 (error %v)", matched, err)
	}
}
