package verify

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// publish commits the files as a directory of the source, and a library entry
// for the name's tag 1 that names the commit.
func (w *world) publish(name string, files map[string]string) {
	w.t.Helper()
	in := map[string]string{}
	for file, text := range files {
		in[name+"/"+file] = text
	}
	id := w.commit(w.source, in)
	w.commit(w.lib, map[string]string{"library/" + name: fmt.Sprintf(
		"Maintainers: T <t@test> (@t)\nGitRepo: %s\n\nTags: 1\nArchitectures: amd64\nDirectory: %s\nGitCommit: %s\n", worldSource, name, id)})
}

// family is a child of a child of scratch: app on mid on root.
type family struct {
	w              *world
	root, mid, app []step
}

func newFamily(t *testing.T) *family {
	w := newWorld(t)
	w.publish("root", map[string]string{"Dockerfile": "FROM scratch\nCOPY r /r\nCMD [\"/r\"]\n", "r": "root"})
	w.publish("mid", map[string]string{"Dockerfile": "FROM root:1\nENV M=1\nCOPY m /m\n", "m": "mid"})
	w.publish("app", map[string]string{"Dockerfile": "FROM mid:1\nCOPY a /a\nCMD [\"/a\"]\n", "a": "app"})
	f := &family{w: w}
	f.root = []step{{"COPY r /r # buildkit", []entry{file("r", "root")}}, {`CMD ["/r"]`, nil}}
	f.mid = append(f.root[:2:2], step{"ENV M=1", nil}, step{"COPY m /m # buildkit", []entry{file("m", "mid")}})
	f.app = append(f.mid[:4:4], step{"COPY a /a # buildkit", []entry{file("a", "app")}}, step{`CMD ["/a"]`, nil})
	return f
}

// specimen makes one of the family, with the environment that ENV gives.
func (f *family) specimen(steps []step) *specimen {
	s := f.w.image(steps...)
	s.config.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if slices.ContainsFunc(steps, func(s step) bool { return s.text == "ENV M=1" }) {
		s.config.Config.Env = append(s.config.Config.Env, "M=1")
	}
	s.seal()
	return s
}

// options give the bases as layouts.
func (f *family) options(mid, root *specimen) Options {
	o := f.w.options()
	o.Bases = map[string]string{}
	for ref, s := range map[string]*specimen{"mid:1": mid, "docker.io/library/root:1": root} {
		if s != nil {
			o.Bases[ref] = "oci:" + s.write()
		}
	}
	return o
}

func (f *family) verify(t *testing.T, app, mid, root *specimen, depth int) Image {
	t.Helper()
	o := f.options(mid, root)
	o.Depth = depth
	return verifyOne(t, "oci:"+app.write(), o)
}

func TestAnImageIsVerifiedDownToNothing(t *testing.T) {
	f := newFamily(t)
	img := f.verify(t, f.specimen(f.app), f.specimen(f.mid), f.specimen(f.root), AllBases)
	wants(t, img, Verified, "base.layers", Pass, "")
	wants(t, img, Verified, "history.config", Pass, "")
	content, _ := findingOf(img, "layer.content")
	if b := content.Details.Bytes; content.Status != Pass || b.Base == 0 || b.Proved != int64(len("app")) || b.Base != int64(len("root")+len("mid")) || b.Unproved != 0 {
		t.Errorf("layer.content: %+v, bytes %+v", content, b)
	}
	mid := img.Base
	if mid == nil || mid.Reference != "mid:1" || mid.Verdict != Verified || mid.Found != "flag" || mid.Layers != 2 || mid.Entries != 4 || mid.Depth != 1 || mid.Digest == nil || mid.Origin == nil {
		t.Fatalf("the base: %+v", mid)
	}
	root := mid.Base
	if root == nil || root.Reference != "root:1" || root.Verdict != Verified || root.Layers != 1 || root.Depth != 2 {
		t.Fatalf("the base's base: %+v", root)
	}
	if root.Base == nil || root.Base.Reference != "scratch" || root.ChainID != img.Base.Base.ChainID || root.ChainID == mid.ChainID {
		t.Errorf("the end of the chain: %+v", root.Base)
	}
}

func TestTheDepthSaysHowManyBasesAreVerified(t *testing.T) {
	f := newFamily(t)
	for depth, want := range map[int]struct {
		base   string
		proved int64 // of the base's bytes
	}{0: {"base-unverified", 3}, 1: {"base-unverified", 3}, NoBases: {"base-unverified", 0}, 2: {"", 7}} {
		img := f.verify(t, f.specimen(f.app), f.specimen(f.mid), f.specimen(f.root), depth)
		layers, _ := findingOf(img, "base.layers")
		content, _ := findingOf(img, "layer.content")
		if layers.Reason != want.base || content.Details.Bytes.Base != want.proved || (img.Verdict == Verified) != (want.base == "") {
			t.Errorf("depth %d: %s, %+v, %s:%s", depth, layers.Reason, content.Details.Bytes, img.Verdict, describe(img))
		}
	}
}

func TestABaseIsFoundByTheLibraryInTheLayersAlone(t *testing.T) {
	f := newFamily(t)
	img := f.verify(t, f.specimen(f.app), nil, nil, AllBases)
	wants(t, img, Verified, "base.layers", Pass, "")
	if b := img.Base; b.Found != "layers" || b.Digest != nil || b.Base == nil || b.Base.Found != "layers" {
		t.Errorf("the base: %+v", b)
	}
	wants(t, img, Verified, "history.config", Unknown, "base-unknown")
	wants(t, img, Verified, "base.freshness", Pass, "")
}

func TestABaseOfWhichNothingIsKnownIsNotVerified(t *testing.T) {
	f := newFamily(t)
	f.w.publish("app", map[string]string{"Dockerfile": "FROM example.test/mid:1\nCOPY a /a\nCMD [\"/a\"]\n", "a": "app"})
	img := f.verify(t, f.specimen(f.app), nil, nil, AllBases)
	wants(t, img, Incomplete, "base.layers", Unknown, "offline")
	wants(t, img, Incomplete, "layer.content", Unknown, "base-unverified")
}

func TestRecompressedLayersAreTheBases(t *testing.T) {
	f := newFamily(t)
	mid := f.specimen(f.mid)
	for i, l := range mid.layers {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(gunzip(t, l)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		mid.layers[i] = b.Bytes()
	}
	mid.seal()
	app := f.specimen(f.app)
	if mid.manifest.Layers[0].Digest == app.manifest.Layers[0].Digest {
		t.Fatal("the blobs are the same")
	}
	wants(t, f.verify(t, app, mid, f.specimen(f.root), AllBases), Verified, "base.layers", Pass, "")
}

func TestAFalseBaseIsSeen(t *testing.T) {
	insert := func(steps []step, at int, s ...step) []step {
		return append(append(append([]step{}, steps[:at]...), s...), steps[at:]...)
	}
	evil := step{"COPY x /x # buildkit", []entry{file("x", "evil")}}
	tests := []struct {
		name           string
		app, mid, root func(f *family) *specimen
		check          string
		status         Status
		reason         string
	}{
		{name: "a base with another layer", mid: func(f *family) *specimen {
			return f.specimen(insert(f.mid[:3], 3, step{"COPY m /m # buildkit", []entry{file("m", "other")}}))
		}, check: "base.layers", status: Fail, reason: "base-differs"},
		{name: "a base with one layer more", mid: func(f *family) *specimen { return f.specimen(insert(f.mid, 4, evil)) },
			check: "base.layers", status: Fail, reason: "base-differs"},
		{name: "a base with one layer less", mid: func(f *family) *specimen { return f.specimen(f.mid[:3]) },
			check: "base.layers", status: Fail, reason: "base-differs"},
		{name: "the layers of the base with another history", mid: func(f *family) *specimen {
			s := f.specimen(f.mid)
			s.config.History[3].CreatedBy = "COPY n /n # buildkit"
			s.seal()
			return s
		}, check: "base.layers", status: Fail, reason: "base-history-differs"},
		{name: "the layers of the base at another time", mid: func(f *family) *specimen {
			s := f.specimen(f.mid)
			s.config.History[3].Created = v1.Time{Time: time.Unix(1, 0)}
			s.seal()
			return s
		}, check: "base.layers", status: Fail, reason: "base-history-differs"},
		{name: "the base with another config", mid: func(f *family) *specimen {
			s := f.specimen(f.mid)
			s.config.Config.Entrypoint = []string{"/evil"}
			s.seal()
			return s
		}, check: "base.layers", status: Fail, reason: "base-failed"},
		{name: "a child with a layer between", app: func(f *family) *specimen { return f.specimen(insert(f.app, 4, evil)) },
			check: "base.layers", status: Fail, reason: "base-differs"},
		{name: "a child with a layer below", app: func(f *family) *specimen { return f.specimen(insert(f.app, 0, evil)) },
			check: "base.layers", status: Fail, reason: "base-differs"},
		{name: "a child with an entry between", app: func(f *family) *specimen {
			return f.specimen(insert(f.app, 4, step{"ENV LD_PRELOAD=/x", nil}))
		}, check: "base.layers", status: Fail, reason: "base-differs"},
		{name: "a child without the base's settings", app: func(f *family) *specimen {
			s := f.specimen(f.app)
			s.config.Config.Env = s.config.Config.Env[:1]
			s.seal()
			return s
		}, check: "history.config", status: Fail, reason: "config-differs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFamily(t)
			made := [3]*specimen{f.specimen(f.app), f.specimen(f.mid), f.specimen(f.root)}
			for i, make := range []func(*family) *specimen{tt.app, tt.mid, tt.root} {
				if make != nil {
					made[i] = make(f)
				}
			}
			img := f.verify(t, made[0], made[1], made[2], AllBases)
			wants(t, img, Failed, tt.check, tt.status, tt.reason)
			if c, _ := findingOf(img, "layer.content"); tt.check == "base.layers" && tt.reason != "base-failed" && (c.Status == Pass || c.Details.Bytes.Base != 0) {
				t.Errorf("layers are counted as a base's that is none: %+v", c)
			}
		})
	}
}

// The lowest of three holds a file that its source does not, and so do those
// above it.
func TestAChainWhoseLowestImageFailsIsNotVerified(t *testing.T) {
	f := newFamily(t)
	for _, s := range []*[]step{&f.root, &f.mid, &f.app} {
		(*s)[0].layer = []entry{file("r", "root"), file("x", "evil")}
	}
	for name, given := range map[string]bool{"given": true, "by the layers": false} {
		t.Run(name, func(t *testing.T) {
			mid, root := f.specimen(f.mid), f.specimen(f.root)
			if !given {
				mid, root = nil, nil
			}
			img := f.verify(t, f.specimen(f.app), mid, root, AllBases)
			wants(t, img, Failed, "base.layers", Fail, "base-failed")
			wants(t, img, Failed, "layer.content", Fail, "file-added")
		})
	}
}

// shelf is a registry on this machine that stands for Docker Hub.
type shelf struct {
	t    *testing.T
	host string
}

func newShelf(t *testing.T) *shelf {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return &shelf{t, strings.TrimPrefix(server.URL, "http://")}
}

// push writes a specimen under a name and returns its manifest's digest.
func (s *shelf) push(ref string, image *specimen) string {
	s.t.Helper()
	tag, err := name.NewTag(s.host+"/library/"+ref, name.Insecure)
	if err != nil {
		s.t.Fatal(err)
	}
	root, err := layout.ImageIndexFromPath(image.write())
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := root.IndexManifest()
	if err != nil {
		s.t.Fatal(err)
	}
	index, err := root.ImageIndex(m.Manifests[0].Digest)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := remote.WriteIndex(tag, index); err != nil {
		s.t.Fatal(err)
	}
	return image.descriptor.Digest.String()
}

func (s *shelf) options(o Options) Options {
	o.RegistryMirrors, o.Bases, o.Depth = map[string]string{"docker.io": s.host}, nil, AllBases
	return o
}

func TestABaseIsFoundInTheRegistryThatTheDockerfileNames(t *testing.T) {
	f := newFamily(t)
	s := newShelf(t)
	digest := s.push("mid:1", f.specimen(f.mid))
	s.push("root:1", f.specimen(f.root))
	img := verifyOne(t, "oci:"+f.specimen(f.app).write(), s.options(f.w.options()))
	wants(t, img, Verified, "base.layers", Pass, "")
	wants(t, img, Verified, "base.freshness", Pass, "")
	if b := img.Base; b.Found != "tag" || *b.Digest != digest || b.Base.Found != "tag" {
		t.Errorf("the base: %+v", b)
	}
}

func TestABaseWhoseTagHasMovedOnIsFoundByItsDigestOrItsLayers(t *testing.T) {
	f := newFamily(t)
	s := newShelf(t)
	old := s.push("mid:1", f.specimen(f.mid))
	newer := f.specimen(append(f.mid[:3:3], step{"COPY m /m # buildkit", []entry{file("m", "newer")}}))
	newer.config.Created = v1.Time{Time: newer.config.Created.AddDate(0, 0, 40)}
	newer.seal()
	now := s.push("mid:1", newer)
	s.push("root:1", f.specimen(f.root))
	for how, notes := range map[string]map[string]string{
		"layers":     nil,
		"annotation": {keyBaseName: "docker.io/library/mid:1", keyBaseDigest: old},
	} {
		t.Run(how, func(t *testing.T) {
			app := f.specimen(f.app)
			app.manifest.Annotations = notes
			img := verifyOne(t, "oci:"+app.write(), s.options(f.w.options()))
			wants(t, img, Verified, "base.layers", Pass, "")
			wants(t, img, Verified, "base.freshness", Warn, "base-moved")
			fresh, _ := findingOf(img, "base.freshness")
			if !strings.Contains(fresh.Summary, now) || fresh.Details.Pin != "mid:1@"+now || how == "annotation" && !strings.Contains(fresh.Summary, "40 days older") {
				t.Errorf("base.freshness: %s, pin %s", fresh.Summary, fresh.Details.Pin)
			}
			if img.Base.Found != how {
				t.Errorf("found by %s", img.Base.Found)
			}
		})
	}
}

func TestAnAnnotationThatNamesAnotherBaseIsSeen(t *testing.T) {
	f := newFamily(t)
	s := newShelf(t)
	other := s.push("mid:other", f.specimen(append(f.mid[:3:3], step{"COPY m /m # buildkit", []entry{file("m", "other")}})))
	s.push("mid:1", f.specimen(f.mid))
	s.push("root:1", f.specimen(f.root))
	for what, notes := range map[string]map[string]string{
		"a digest":            {keyBaseDigest: other},
		"a name and a digest": {keyBaseName: "mid:1", keyBaseDigest: other},
	} {
		app := f.specimen(f.app)
		app.manifest.Annotations = notes
		img := verifyOne(t, "oci:"+app.write(), s.options(f.w.options()))
		t.Run(what, func(t *testing.T) { wants(t, img, Failed, "base.layers", Fail, "base-claim-differs") })
	}
	// What is asked for is of the repository that the Dockerfile names, whatever
	// the image says.
	app := f.specimen(f.app)
	app.manifest.Annotations = map[string]string{keyBaseName: "elsewhere.test/other:1", keyBaseDigest: other}
	wants(t, verifyOne(t, "oci:"+app.write(), s.options(f.w.options())), Verified, "base.layers", Warn, "base-name-differs")
}

func TestABaseByDigestIsTheOneOfTheDigest(t *testing.T) {
	f := newFamily(t)
	s := newShelf(t)
	good := s.push("mid:1", f.specimen(f.mid))
	bad := s.push("mid:bad", f.specimen(append(f.mid[:3:3], step{"COPY m /m # buildkit", []entry{file("m", "other")}})))
	s.push("root:1", f.specimen(f.root))
	for digest, want := range map[string]struct {
		verdict Verdict
		status  Status
		reason  string
	}{good: {Verified, Pass, ""}, bad: {Failed, Fail, "base-differs"}} {
		f.w.publish("app", map[string]string{"Dockerfile": "FROM mid:1@" + digest + "\nCOPY a /a\nCMD [\"/a\"]\n", "a": "app"})
		img := verifyOne(t, "oci:"+f.specimen(f.app).write(), s.options(f.w.options()))
		// The entry before names the other base, with the same directives.
		if img.Origin != nil && img.Base != nil && !strings.HasSuffix(img.Base.Reference, digest) {
			t.Fatalf("judged on %s", img.Base.Reference)
		}
		wants(t, img, want.verdict, "base.layers", want.status, want.reason)
	}
}

func TestNoRegistryIsAskedForABaseThatOnlyTheImageNames(t *testing.T) {
	w := newWorld(t)
	id := w.release(map[string]string{"Dockerfile": "FROM evil.test/base:1\nCOPY a /a\nCMD [\"/a\"]\n", "a": "true"})
	s := w.image(append([]step{{"ADD rootfs.tar.xz / # buildkit", []entry{file("etc/passwd", "root")}}}, copySteps("true")...)...)
	s.manifest.Annotations = map[string]string{sourceKey: worldSource + "#" + id + ":d"}
	_, seen, o := w.remotely(t)
	o.As, o.GitMirrors = "example.com/app:1", map[string]string{worldSource: w.source}
	img := verifyOne(t, "oci:"+s.write(), o)
	wants(t, img, Incomplete, "base.layers", Unknown, "not-followed")
	wants(t, img, Incomplete, "base.freshness", Unknown, "not-followed")
	for _, url := range seen.urls {
		if strings.Contains(url, "evil.test") {
			t.Errorf("asked for %s", url)
		}
	}
	o.FollowClaims = true
	img = verifyOne(t, "oci:"+s.write(), o)
	if !strings.Contains(strings.Join(seen.urls, " "), "evil.test") {
		t.Errorf("--follow-claims allows it, and nothing was asked: %v", seen.urls)
	}
	wants(t, img, Incomplete, "layer.content", Unknown, "base-unverified")
}

func TestTheTriggersOfTheBaseRunInTheChild(t *testing.T) {
	f := newFamily(t)
	f.w.publish("mid", map[string]string{"Dockerfile": "FROM root:1\nENV M=1\nCOPY m /m\nONBUILD COPY t /t\n", "m": "mid"})
	f.w.publish("app", map[string]string{"Dockerfile": "FROM mid:1\nCOPY a /a\nCMD [\"/a\"]\n", "a": "app", "t": "trigger"})
	mid := f.specimen(f.mid)
	mid.config.Config.OnBuild = []string{"COPY t /t"}
	mid.seal()
	trigger := step{"COPY t /t # buildkit", []entry{file("t", "trigger")}}
	app := f.specimen(append(append(f.mid[:4:4], trigger), f.app[4:]...))
	img := f.verify(t, app, mid, f.specimen(f.root), AllBases)
	wants(t, img, Verified, "base.layers", Pass, "")
	if b := img.Base; len(b.OnBuild) != 1 || b.Layers != 2 {
		t.Errorf("the base: %+v", b)
	}
	wants(t, f.verify(t, f.specimen(f.app), mid, f.specimen(f.root), AllBases), Failed, "history.directives", Fail, "text-differs")
}

func TestOtherImagesThatABuildReadsFromAreNamed(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": "FROM golang:1 AS build\nRUN make\nFROM scratch\nCOPY --from=build /x /x\nCOPY --from=busybox:1 /bin/sh /sh\n"})
	s := w.image(step{"COPY /x /x # buildkit", []entry{file("x", "x")}}, step{"COPY /bin/sh /sh # buildkit", []entry{file("sh", "x")}})
	img := verifyOne(t, "oci:"+s.write(), w.options())
	if got := fmt.Sprint(img.Inputs); got != "[{busybox:1 5 COPY --from=} {golang:1 1 FROM}]" {
		t.Errorf("inputs %s:%s", got, describe(img))
	}
}

// A base that is built on itself has no end.
func TestAChainIsFollowedUpToItsBound(t *testing.T) {
	w := newWorld(t)
	w.publish("loop", map[string]string{"Dockerfile": "FROM loop:1\nENV A=1\n"})
	o := w.options()
	o.As, o.Depth = "loop:1", AllBases
	// Each entry is one image of the chain; below the oldest is nothing to trace.
	for entries, want := range map[int]int{maxDepth: maxDepth - 1, maxDepth + 1: maxDepth, maxDepth + 9: maxDepth} {
		steps := make([]step, entries)
		for i := range steps {
			steps[i] = step{"ENV A=1", nil}
		}
		img := verifyOne(t, "oci:"+w.image(steps...).write(), o)
		followed := 0
		for b := img.Base; b != nil; b = b.Base {
			if b.Found != "" {
				followed++
			}
		}
		if followed != want || img.Verdict == Verified {
			t.Errorf("%d entries: %d bases were followed, want %d; verdict %s", entries, followed, want, img.Verdict)
		}
	}
}

// What a base's RUN leaves is not proved, with a layer or without.
func TestARunInABaseIsNotProvedInTheChild(t *testing.T) {
	for name, left := range map[string][]entry{"with a layer": {file("x", "x")}, "without one": nil} {
		t.Run(name, func(t *testing.T) {
			f := newFamily(t)
			f.w.publish("root", map[string]string{"Dockerfile": "FROM scratch\nCOPY r /r\nRUN make\nCMD [\"/r\"]\n", "r": "root"})
			for _, steps := range []*[]step{&f.root, &f.mid, &f.app} {
				run := step{"RUN /bin/sh -c make # buildkit", left}
				*steps = append(append([]step{(*steps)[0]}, run), (*steps)[1:]...)
			}
			img := f.verify(t, f.specimen(f.app), f.specimen(f.mid), f.specimen(f.root), AllBases)
			wants(t, img, Incomplete, "layer.content", Unknown, "run-unproved")
			wants(t, img, Incomplete, "base.layers", Unknown, "base-unverified")
			o := f.options(f.specimen(f.mid), f.specimen(f.root))
			o.Depth, o.Requirements.Accept = AllBases, []string{"run-unproved"}
			wants(t, verifyOne(t, "oci:"+f.specimen(f.app).write(), o), Verified, "base.layers", Pass, "")
		})
	}
}
