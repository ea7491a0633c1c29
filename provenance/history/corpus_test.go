package history

import (
	"testing"

	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/dockerfile"
)

func buildOf(t testing.TB, r corpus.Record) *dockerfile.Build {
	t.Helper()
	f, err := dockerfile.Parse([]byte(r.Dockerfile))
	if err != nil {
		t.Fatalf("%s: %v", r.Ref, err)
	}
	p := r.Platform()
	b, err := f.Evaluate(dockerfile.Options{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant})
	if err != nil {
		t.Fatalf("%s: %v", r.Ref, err)
	}
	return b
}

func TestTheRealImagesOf2018MatchAsManyAsAreKnownToMatch(t *testing.T) {
	matched, all := map[string]int{}, map[string]int{}
	for _, r := range corpus.Records(t) {
		a := Match(r.Entries(), len(r.Layers), buildOf(t, r))
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
