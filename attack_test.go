package verify

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
)

const alpineSource = "https://github.com/alpinelinux/docker-alpine.git"

// libraryCache is a cache that holds nothing but the library's index, made once
// for all tests of the package.
var libraryCache = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "verify-library-*") })

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := libraryCache(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// warmOptions are corpusOptions with a cache of the test's own, which holds the
// library's index and no layer.
func warmOptions(t *testing.T) Options {
	t.Helper()
	o := corpusOptions(t)
	shared, err := libraryCache()
	if err != nil {
		t.Fatal(err)
	}
	only := o
	only.Cache, only.Requirements.Only = shared, []string{"trace"}
	verifyOne(t, "oci:"+filepath.Join(corpus.Dir(t), "images/alpine-3.20.3"), only)
	o.Cache = filepath.Join(t.TempDir(), "cache")
	copyTree(t, shared, o.Cache)
	if err := os.Chmod(o.Cache, 0o700); err != nil {
		t.Fatal(err)
	}
	return o
}

// corpusOptions verify against the corpus's library and mirrors, offline and
// without a cache.
func corpusOptions(t *testing.T) Options {
	t.Helper()
	git := filepath.Join(corpus.Dir(t), "git")
	return Options{
		Platform: "linux/amd64", As: "alpine:3.20.3", Offline: true,
		Library: filepath.Join(git, "official-images.git"),
		GitMirrors: map[string]string{
			alpineSource: filepath.Join(git, "alpinelinux+docker-alpine.git"),
			"https://github.com/docker-library/hello-world.git": filepath.Join(git, "docker-library+hello-world.git"),
		},
	}
}

// verifyOne verifies a reference that means one image.
func verifyOne(t *testing.T, ref string, o Options) Image {
	t.Helper()
	r, err := Verify(context.Background(), []string{ref}, o)
	if err != nil {
		t.Fatalf("verify %s: %v", ref, err)
	}
	if len(r.Images) != 1 {
		t.Fatalf("verify %s: %d images, want one", ref, len(r.Images))
	}
	checkReasons(t, r.Images[0])
	return r.Images[0]
}

// checkReasons asserts that every reason stands in its check's row, in the
// column of its status.
func checkReasons(t *testing.T, img Image) {
	t.Helper()
	for _, f := range img.Findings {
		row := checkTable[slices.Index(CheckIDs(), f.Check)]
		parts := []Part{{Status: f.Status, Reason: f.Reason}}
		if f.Details != nil {
			parts = append(parts, f.Details.Parts...)
		}
		for _, p := range parts {
			listed := map[Status][]string{Pass: {""}, Warn: row.others, Unknown: row.others, Fail: row.fails}[p.Status]
			if !slices.Contains(listed, p.Reason) {
				t.Errorf("%s: %s with the reason %q, which is not in its row", f.Check, p.Status, p.Reason)
			}
		}
	}
}

func findingOf(img Image, check string) (Finding, bool) {
	i := slices.IndexFunc(img.Findings, func(f Finding) bool { return f.Check == check })
	if i < 0 {
		return Finding{}, false
	}
	return img.Findings[i], true
}

func describe(img Image) string {
	var b strings.Builder
	for _, f := range img.Findings {
		fmt.Fprintf(&b, "\n  %-20s %-8s %-20s %s", f.Check, f.Status, f.Reason, f.Summary)
	}
	return b.String()
}

// attack is one way of damaging a specimen, and the finding that must see it.
type attack struct {
	name   string
	change func(*specimen)
	check  string
	status Status
	reason string
}

// onPath edits one entry of the first layer.
func onPath(path string, edit func(*entry)) func(*specimen) {
	return func(s *specimen) {
		s.editLayer(func(es []entry) []entry {
			edit(find(s.t, es, path))
			return es
		})
	}
}

// adding puts an entry at the end of the first layer.
func adding(h tar.Header, data string) func(*specimen) {
	return func(s *specimen) {
		s.editLayer(func(es []entry) []entry { return append(es, entry{h, []byte(data)}) })
	}
}

func onHistory(edit func([]v1.History) []v1.History) func(*specimen) {
	return func(s *specimen) {
		s.config.History = edit(s.config.History)
		s.sealConfig()
	}
}

func onAnnotation(key, old, new string) func(*specimen) {
	return func(s *specimen) {
		s.manifest.Annotations[key] = strings.ReplaceAll(s.manifest.Annotations[key], old, new)
	}
}

const (
	otherCommit = "3333333333333333333333333333333333333333"
	realCommit  = "7d63673353bd39d92ba42f6effcc199aeebd45ee"
	sourceKey   = "org.opencontainers.image.source"
	passwd      = "etc/passwd"
)

// layerAttacks change the layer with every digest recomputed, so that only the
// comparison with the source can see them.
var layerAttacks = []attack{
	{"one byte of a file", onPath(passwd, func(e *entry) { e.data[0]++ }), "layer.content", Fail, "content-differs"},
	{"a byte more at a file's end", onPath(passwd, func(e *entry) { e.data = append(e.data, '\n') }), "layer.content", Fail, "content-differs"},
	{"a file emptied", onPath(passwd, func(e *entry) { e.data = nil }), "layer.content", Fail, "content-differs"},
	{"a file added", adding(tar.Header{Name: "etc/backdoor", Mode: 0o644, Typeflag: tar.TypeReg}, "x"), "layer.content", Fail, "file-added"},
	{"a directory added", adding(tar.Header{Name: "backdoor/", Mode: 0o755, Typeflag: tar.TypeDir}, ""), "layer.content", Fail, "file-added"},
	{"a second entry for a path", adding(tar.Header{Name: passwd, Mode: 0o644, Typeflag: tar.TypeReg}, "root::0:0:::/bin/sh\n"), "layer.content", Fail, "duplicate-path"},
	{"a second entry under another spelling", adding(tar.Header{Name: "./etc//passwd", Mode: 0o644, Typeflag: tar.TypeReg}, "root::0:0:::/bin/sh\n"), "layer.content", Fail, "duplicate-path"},
	{"a whiteout added", adding(tar.Header{Name: "etc/.wh.shadow", Mode: 0o600, Typeflag: tar.TypeReg}, ""), "layer.content", Fail, "file-added"},
	{"an opaque mark added", adding(tar.Header{Name: "etc/.wh..wh..opq", Mode: 0o600, Typeflag: tar.TypeReg}, ""), "layer.content", Fail, "file-added"},
	{"a device added", adding(tar.Header{Name: "dev/sda", Mode: 0o660, Typeflag: tar.TypeBlock, Devmajor: 8}, ""), "layer.content", Fail, "file-added"},
	{"a path that leaves the root", adding(tar.Header{Name: "../../etc/cron.d/x", Mode: 0o644, Typeflag: tar.TypeReg}, "x"), "layer.content", Fail, "unsafe-path"},
	{"an absolute name", adding(tar.Header{Name: "/etc/cron.d/x", Mode: 0o644, Typeflag: tar.TypeReg}, "x"), "layer.content", Fail, "file-added"},
	{"mode changed", onPath(passwd, func(e *entry) { e.header.Mode = 0o666 }), "layer.content", Fail, "mode-differs"},
	{"setuid added", onPath("bin/busybox", func(e *entry) { e.header.Mode = 0o4755 }), "layer.content", Fail, "mode-differs"},
	{"user changed", onPath(passwd, func(e *entry) { e.header.Uid = 1000 }), "layer.content", Fail, "owner-differs"},
	{"group changed", onPath(passwd, func(e *entry) { e.header.Gid = 1000 }), "layer.content", Fail, "owner-differs"},
	{"link target changed", onPath("bin/ash", func(e *entry) { e.header.Linkname = "/tmp/busybox" }), "layer.content", Fail, "link-differs"},
	{"type changed", onPath(passwd, func(e *entry) { e.header.Typeflag, e.header.Linkname, e.data = tar.TypeSymlink, "/tmp/passwd", nil }), "layer.content", Fail, "type-differs"},
	{"a copy in place of a link", onPath("bin/ash", func(e *entry) { e.header.Typeflag, e.header.Linkname = tar.TypeReg, "" }), "layer.content", Fail, "type-differs"},
	{"extended attribute added", onPath("bin/busybox", func(e *entry) {
		e.header.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02"}
	}), "layer.content", Fail, "xattr-differs"},
	{"time changed", onPath(passwd, func(e *entry) { e.header.ModTime = e.header.ModTime.Add(-3600e9) }), "layer.content", Fail, "time-differs"},
	{"a file dropped", func(s *specimen) {
		s.editLayer(func(es []entry) []entry {
			return slices.DeleteFunc(es, func(e entry) bool { return e.header.Name == passwd })
		})
	}, "layer.content", Fail, "file-missing"},
	{"all entries dropped", func(s *specimen) { s.editLayer(func([]entry) []entry { return nil }) }, "layer.content", Fail, "file-missing"},
	{"bytes after the archive's end", func(s *specimen) {
		s.layers[0] = gzipped(s.t, append(gunzip(s.t, s.layers[0]), "hidden"...))
		s.seal()
	}, "layer.content", Fail, "trailing-data"},
	{"a layer that is no archive", func(s *specimen) {
		s.layers[0] = gzipped(s.t, bytes.Repeat([]byte("no archive "), 100))
		s.seal()
	}, "image.digests", Fail, "malformed"},
}

var historyAttacks = []attack{
	{"text of a directive changed", onHistory(func(h []v1.History) []v1.History {
		h[1].CreatedBy = `CMD ["/bin/ash"]`
		return h
	}), "history.directives", Fail, "text-differs"},
	{"an entry dropped", onHistory(func(h []v1.History) []v1.History { return h[:1] }), "history.directives", Fail, "entry-missing"},
	{"an extra empty entry at the end", onHistory(func(h []v1.History) []v1.History {
		return append(h, v1.History{CreatedBy: "LABEL a=b", EmptyLayer: true})
	}), "history.directives", Fail, "entry-unexplained"},
	{"an extra empty entry at the start", onHistory(func(h []v1.History) []v1.History {
		return append([]v1.History{{CreatedBy: "LABEL a=b", EmptyLayer: true}}, h...)
	}), "history.directives", Fail, "entry-unexplained"},
	{"an extra empty entry between", onHistory(func(h []v1.History) []v1.History {
		return slices.Insert(h, 1, v1.History{CreatedBy: "LABEL a=b", EmptyLayer: true})
	}), "history.directives", Fail, "entry-unexplained"},
	{"the order turned round", onHistory(func(h []v1.History) []v1.History {
		slices.Reverse(h)
		return h
	}), "history.directives", Fail, ""},
	{"no history at all", onHistory(func([]v1.History) []v1.History { return nil }), "history.directives", Fail, "layer-count"},
	{"a layer more than the history tells", func(s *specimen) {
		s.layers = append(s.layers, repack(s.t, []entry{{tar.Header{Name: "x", Mode: 0o644, Typeflag: tar.TypeReg}, []byte("x")}}))
		s.seal()
	}, "image.digests", Fail, "layer-count"},
	{"a layer more, and the history tells it", func(s *specimen) {
		s.layers = append(s.layers, repack(s.t, []entry{{tar.Header{Name: "x", Mode: 0o644, Typeflag: tar.TypeReg}, []byte("x")}}))
		s.config.History = append(s.config.History, v1.History{CreatedBy: "COPY x /x # buildkit", Comment: "buildkit.dockerfile.v0"})
		s.seal()
	}, "history.directives", Fail, "entry-unexplained"},
	{"a layer told of as empty", onHistory(func(h []v1.History) []v1.History {
		h[0].EmptyLayer, h[1].EmptyLayer = true, false
		return h
	}), "history.directives", Fail, "empty-layer-differs"},
}

var claimAttacks = []attack{
	{"annotation of another commit", onAnnotation(sourceKey, realCommit, otherCommit), "trace.claims", Fail, "commit-differs"},
	{"annotation of another repository", onAnnotation(sourceKey, "alpinelinux", "evil"), "trace.claims", Fail, "repository-differs"},
	{"annotation of another directory", onAnnotation(sourceKey, ":x86_64", ":x86"), "trace.claims", Fail, "directory-differs"},
	{"revision of another commit", onAnnotation("org.opencontainers.image.revision", realCommit, otherCommit), "trace.claims", Fail, "commit-differs"},
	{"descriptor's annotation of another commit", func(s *specimen) {
		s.descriptor.Annotations[sourceKey] = strings.ReplaceAll(s.descriptor.Annotations[sourceKey], realCommit, otherCommit)
	}, "trace.claims", Fail, "commit-differs"},
	{"label of another commit of the repository", func(s *specimen) {
		s.config.Config.Labels = map[string]string{sourceKey: alpineSource, "org.opencontainers.image.revision": otherCommit}
		s.sealConfig()
	}, "trace.claims", Fail, "commit-differs"},
	{"label of another repository", func(s *specimen) {
		s.config.Config.Labels = map[string]string{sourceKey: "https://github.com/example/program"}
		s.sealConfig()
	}, "trace.claims", Warn, "other-repository"},
}

var digestAttacks = []attack{
	{"config for another architecture", func(s *specimen) {
		s.config.Architecture = "s390x"
		s.sealConfig()
	}, "image.digests", Fail, "platform-mismatch"},
	{"config for another system", func(s *specimen) {
		s.config.OS = "windows"
		s.sealConfig()
	}, "image.digests", Fail, "platform-mismatch"},
	{"one bit of a layer's blob", func(s *specimen) {
		s.layers[0] = slices.Clone(s.layers[0])
		s.layers[0][len(s.layers[0])/2] ^= 1
	}, "image.digests", Fail, "digest-mismatch"},
	{"another blob under the layer's digest", func(s *specimen) {
		s.layers[0] = append(slices.Clone(s.layers[0]), 0)[1:]
	}, "image.digests", Fail, "digest-mismatch"},
	{"a layer's size one too small", func(s *specimen) { s.manifest.Layers[0].Size-- }, "image.digests", Fail, "size-mismatch"},
	{"a layer's size one too large", func(s *specimen) { s.manifest.Layers[0].Size++ }, "image.digests", Fail, "truncated"},
	{"truncated layer", func(s *specimen) { s.layers[0] = s.layers[0][:len(s.layers[0])-1000] }, "image.digests", Fail, "truncated"},
	{"empty layer", func(s *specimen) { s.layers[0] = nil }, "image.digests", Fail, "truncated"},
	{"bytes after the layer", func(s *specimen) { s.layers[0] = append(slices.Clone(s.layers[0]), "more"...) }, "image.digests", Fail, "size-mismatch"},
	{"diff ID wrong", func(s *specimen) {
		s.config.RootFS.DiffIDs[0] = sha([]byte("other"))
		s.sealConfig()
	}, "image.digests", Fail, "diff-id-mismatch"},
	{"a diff ID too many", func(s *specimen) {
		s.config.RootFS.DiffIDs = append(s.config.RootFS.DiffIDs, sha([]byte("other")))
		s.sealConfig()
	}, "image.digests", Fail, "layer-count"},
	{"another config under its digest", func(s *specimen) {
		other := s.config
		other.Author = "somebody"
		s.blobs[s.manifest.Config.Digest] = s.encode(other)
	}, "image.digests", Fail, "digest-mismatch"},
	{"config's size wrong", func(s *specimen) { s.manifest.Config.Size++ }, "image.digests", Fail, "size-mismatch"},
	{"config that is not JSON", func(s *specimen) {
		s.manifest.Config.Digest, s.manifest.Config.Size = sha([]byte("{")), 1
		s.blobs[s.manifest.Config.Digest] = []byte("{")
	}, "image.digests", Fail, "malformed"},
	{"the layer's bytes are absent", func(s *specimen) { s.manifest.Layers[0].Digest = sha([]byte("nowhere")); s.layers = nil }, "image.digests", Unknown, "blob-absent"},
	{"a layer at a foreign URL", func(s *specimen) { s.manifest.Layers[0].URLs = []string{"https://example.com/layer"} }, "image.digests", Unknown, "foreign-layer"},
}

func TestEveryAttackIsSeenByItsCheck(t *testing.T) {
	corpus.Dir(t)
	for _, group := range [][]attack{layerAttacks, historyAttacks, claimAttacks, digestAttacks} {
		for _, a := range group {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				s := takeSpecimen(t, "alpine-3.20.3", "amd64")
				a.change(s)
				checkAttack(t, a, verifyOne(t, "oci:"+s.write(), warmOptions(t)))
			})
		}
	}
}

func checkAttack(t *testing.T, a attack, img Image) {
	t.Helper()
	f, ok := findingOf(img, a.check)
	if !ok || f.Status != a.status || a.reason != "" && f.Reason != a.reason {
		t.Errorf("%s: want %s %s, got%s", a.check, a.status, a.reason, describe(img))
	}
	want := map[Status]Verdict{Fail: Failed, Unknown: Incomplete, Warn: Incomplete, Pass: Verified}[a.status]
	if img.Verdict != want {
		t.Errorf("verdict %s, want %s:%s", img.Verdict, want, describe(img))
	}
}
