package history

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// record is one real image of 2018 with the Dockerfile that the library's
// newest entry named that day.
type record struct {
	Ref, Name, OS, Architecture, Dockerfile string
	Variant                                 *string
	History                                 []struct {
		CreatedBy string `json:"created_by"`
	}
	Layers []struct{}
}

func readRecords(t testing.TB) []record {
	t.Helper()
	f, err := os.Open(filepath.Join(corpus.Dir(t), "histories", "official-2018-03.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []record
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	if err := lines.Err(); err != nil || len(out) != 547 {
		t.Fatalf("the corpus has %d records (%v), want 547", len(out), err)
	}
	return out
}

// entries puts the history together. Which entries left no layer is not
// recorded: metadata did not, and where there are more entries than layers the
// oldest RUN entries, the base image's, did not either.
func (r record) entries() []v1.History {
	out := make([]v1.History, len(r.History))
	more := -len(r.Layers)
	for i, h := range r.History {
		out[i] = v1.History{CreatedBy: h.CreatedBy, EmptyLayer: strings.Contains(h.CreatedBy, "#(nop)  ")}
		if !out[i].EmptyLayer {
			more++
		}
	}
	for i := range out {
		if more > 0 && !strings.Contains(out[i].CreatedBy, "#(nop)") {
			out[i].EmptyLayer, more = true, more-1
		}
	}
	return out
}

func (r record) build(t testing.TB) *dockerfile.Build {
	t.Helper()
	f, err := dockerfile.Parse([]byte(r.Dockerfile))
	if err != nil {
		t.Fatalf("%s: %v", r.Ref, err)
	}
	o := dockerfile.Options{OS: r.OS, Architecture: r.Architecture}
	if r.Variant != nil {
		o.Variant = *r.Variant
	}
	b, err := f.Evaluate(o)
	if err != nil {
		t.Fatalf("%s: %v", r.Ref, err)
	}
	return b
}

func TestTheRealImagesOf2018MatchAsManyAsAreKnownToMatch(t *testing.T) {
	matched, all := map[string]int{}, map[string]int{}
	for _, r := range readRecords(t) {
		a := Match(r.entries(), len(r.Layers), r.build(t))
		all[r.Name]++
		if a.Matched {
			matched[r.Name]++
		}
		if seen, own := directivesIn(t, a), len(a.Build.Directives); seen != own || a.Matched == (len(a.Problems) > 0) {
			t.Errorf("%s: %d of %d directives in the rows, matched %v with %d problems", r.Ref, seen, own, a.Matched, len(a.Problems))
		}
	}
	want := map[string]int{"buildpack-deps": 165, "hello-world": 7, "hello-seattle": 7, "hola-mundo": 7, "python": 114, "nginx": 14, "redis": 8, "tomcat": 0}
	for name, n := range want {
		if matched[name] != n {
			t.Errorf("%s: %d of %d match, want %d", name, matched[name], all[name], n)
		}
	}
}
