package library

import (
	"path/filepath"
	"testing"

	"github.com/imageverify/verify/internal/cache"
	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/internal/gitserver"
	"github.com/imageverify/verify/provenance/source"
)

// realServer serves the real library.
func realServer(t testing.TB) (*gitserver.Server, string) {
	t.Helper()
	dir := corpus.Dir(t)
	s := gitserver.New(t)
	return s, s.Mirror(t, "official-images.git", filepath.Join(dir, "git", "official-images.git"))
}

// openRemote opens the library as it is served, with a cache in a folder.
func openRemote(t testing.TB, s *gitserver.Server, url, dir string) *Library {
	t.Helper()
	kept, err := cache.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	o := source.NewOpener(source.Options{Transport: s.Client().Transport, CacheDir: kept.Folder})
	t.Cleanup(func() { o.Close() })
	clone, err := o.Clone(t.Context(), url, 0)
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenClone(t.Context(), clone, Options{Cache: kept})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// BenchmarkRemoteNow reads the entry in force of a library that was never
// fetched.
func BenchmarkRemoteNow(b *testing.B) {
	s, url := realServer(b)
	for b.Loop() {
		l := openRemote(b, s, url, filepath.Join(b.TempDir(), "cache"))
		if _, _, err := l.Certain(b.Context(), "alpine", "3.20.3", "amd64", nil); err != nil {
			b.Fatal(err)
		}
	}
	reportSent(b, s)
}

// BenchmarkRemotePast reads all entries that a tag ever had.
func BenchmarkRemotePast(b *testing.B) {
	s, url := realServer(b)
	for b.Loop() {
		l := openRemote(b, s, url, filepath.Join(b.TempDir(), "cache"))
		if _, err := l.Candidates(b.Context(), "alpine", "3.20.3", "amd64"); err != nil {
			b.Fatal(err)
		}
	}
	reportSent(b, s)
}

func reportSent(b *testing.B, s *gitserver.Server) {
	b.ReportMetric(float64(gitserver.Sent(s.Requests()))/float64(b.N), "sent-bytes/op")
}
