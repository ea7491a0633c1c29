package verify

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/corpus"
)

// levelAttack is a change of a published image, and the one level that it
// leaves.
type levelAttack struct {
	name   string
	change func(*specimen)
	level  Level
	// difference is what the report must tell of it: where, path and field.
	difference Difference
}

// shuttle moves times of one file.
func shuttle(move func(time.Time) time.Time) func(*specimen) {
	return onPath(passwd, func(e *entry) { e.header.ModTime = move(e.header.ModTime) })
}

// reordered swaps the first two regular files.
func reordered(s *specimen) {
	s.editLayer(func(es []entry) []entry {
		i := slices.IndexFunc(es, func(e entry) bool { return e.header.Name == "etc/group" })
		j := slices.IndexFunc(es, func(e entry) bool { return e.header.Name == passwd })
		es[i], es[j] = es[j], es[i]
		return es
	})
}

// recompressed is the same archive in another gzip member.
func recompressed(s *specimen) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(gunzip(s.t, s.layers[0]))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.layers[0] = b.Bytes()
	s.manifest.Layers[0].Digest, s.manifest.Layers[0].Size = sha(s.layers[0]), int64(len(s.layers[0]))
}

func onConfig(edit func(*v1.ConfigFile)) func(*specimen) {
	return func(s *specimen) {
		edit(&s.config)
		s.sealConfig()
	}
}

var levelAttacks = []levelAttack{
	{"nothing", func(*specimen) {}, SameDigest, Difference{}},
	{"one byte", onPath(passwd, func(e *entry) { e.data[0] ^= 1 }), Different, Difference{Where: "layer 1", Path: passwd, Field: "content"}},
	{"a mode", onPath("bin/busybox", func(e *entry) { e.header.Mode |= 0o4000 }), Different, Difference{Where: "layer 1", Path: "bin/busybox", Field: "mode"}},
	{"an owner", onPath(passwd, func(e *entry) { e.header.Uid = 1000 }), Different, Difference{Where: "layer 1", Path: passwd, Field: "owner"}},
	{"a name", onPath("etc/motd", func(e *entry) { e.header.Name = "etc/motd2" }), Different, Difference{Where: "layer 1", Path: "etc/motd2", Field: "only-in-b"}},
	{"a link's target", onPath("bin/ash", func(e *entry) { e.header.Linkname = "/tmp/x" }), Different, Difference{Where: "layer 1", Path: "bin/ash", Field: "link"}},
	{"an attribute", onPath("bin/busybox", func(e *entry) {
		e.header.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02"}
	}), Different, Difference{Where: "layer 1", Path: "bin/busybox", Field: "xattr"}},
	{"a whiteout", adding(tar.Header{Name: "etc/.wh.shadow", Typeflag: tar.TypeReg}, ""), Different, Difference{Where: "layer 1", Path: "etc/.wh.shadow", Field: "only-in-b"}},
	{"an entry", adding(tar.Header{Name: "zz", Typeflag: tar.TypeReg, Mode: 0o644}, "x"), Different, Difference{Where: "layer 1", Path: "zz", Field: "only-in-b"}},
	{"an entry twice", adding(tar.Header{Name: passwd, Typeflag: tar.TypeReg, Mode: 0o644}, "x"), Different, Difference{Where: "layer 1", Path: passwd, Field: "duplicate"}},
	{"an entry less", func(s *specimen) {
		s.editLayer(func(es []entry) []entry {
			return slices.DeleteFunc(es, func(e entry) bool { return e.header.Name == "etc/motd" })
		})
	}, Different, Difference{Where: "layer 1", Path: "etc/motd", Field: "only-in-a"}},
	{"two entries swapped", reordered, SameFiles, Difference{Where: "layer 1", Field: "order"}},
	{"a later time", shuttle(func(at time.Time) time.Time { return at.Add(time.Hour) }), SameFiles, Difference{Where: "layer 1", Path: passwd, Field: "time"}},
	{"a time before 1970", shuttle(func(time.Time) time.Time { return time.Unix(-5, 0) }), SameFiles, Difference{Where: "layer 1", Path: passwd, Field: "time"}},
	{"a fraction of a second", shuttle(func(at time.Time) time.Time { return at.Add(time.Millisecond) }), SameFiles, Difference{Where: "layer 1", Path: passwd}},
	{"an access time", onPath(passwd, func(e *entry) { e.header.AccessTime = time.Unix(7, 0) }), SameFiles, Difference{Where: "layer 1", Path: passwd}},
	{"a user's name", onPath(passwd, func(e *entry) { e.header.Uname = "eve" }), SameFiles, Difference{Where: "layer 1", Path: passwd}},
	{"another compression", recompressed, SameImageID, Difference{Where: "manifest"}},
	{"a command", onConfig(func(c *v1.ConfigFile) { c.Config.Cmd = []string{"/bin/sh", "-i"} }), SameLayers, Difference{Where: "config", Path: "config.Cmd[1]"}},
	{"a variable", onConfig(func(c *v1.ConfigFile) { c.Config.Env = append(c.Config.Env, "LD_PRELOAD=/x") }), SameLayers, Difference{Where: "config", Path: "config.Env[1]"}},
	{"an author", onConfig(func(c *v1.ConfigFile) { c.Author = "eve" }), SameLayers, Difference{Where: "config", Path: "author"}},
	{"a text in history", onHistory(func(h []v1.History) []v1.History { h[1].Author = "eve"; return h }), SameLayers, Difference{Where: "config", Path: "history[1].author"}},
	{"an annotation", func(s *specimen) { s.manifest.Annotations["org.example.more"] = "x" }, SameImageID, Difference{Where: "manifest", Path: "annotations.org.example.more"}},
	{"an annotation changed", func(s *specimen) { s.manifest.Annotations["org.opencontainers.image.version"] = "3.20.4" }, SameImageID,
		Difference{Where: "manifest", Path: "annotations.org.opencontainers.image.version"}},
	{"the manifest's spelling", func(s *specimen) { s.official = false }, SameImageID, Difference{Where: "manifest", Field: "spelling"}},
}

func TestNoAttackIsReportedAtALevelThatItDoesNotHave(t *testing.T) {
	corpus.Dir(t)
	for _, a := range levelAttacks {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := takeSpecimen(t, "alpine-3.20.3", "amd64")
			s.official = true
			a.change(s)
			o := warmOptions(t)
			o.Requirements.Only = []string{"rebuild.level"}
			img := verifyOne(t, "oci:"+s.write(), o)
			r := img.Rebuild
			if r == nil || r.Level != a.level {
				t.Fatalf("level %s, want %s:%s", r.Level, a.level, describe(img))
			}
			checkDifference(t, r.Difference, a.difference)
			if want := a.level == SameDigest; (img.Verdict == Verified) != want {
				t.Errorf("verdict %s:%s", img.Verdict, describe(img))
			}
			if len(r.Witnesses) > 0 {
				t.Errorf("witnesses %v", r.Witnesses)
			}
		})
	}
}

// An image whose history says that a directive, or a base image, left no layer
// has all its layers proved, and may still lack one.
func TestWhatIsSaidToHaveLeftNoLayerKeepsTheLevelDown(t *testing.T) {
	for name, c := range map[string]struct {
		dockerfile, entry string
		level             Level
		status            Status
		reason            string
	}{
		"nothing":      {"FROM scratch\nCOPY a /a\nLABEL b=c\n", "LABEL b=c", SameFiles, Pass, ""},
		"RUN":          {"FROM scratch\nCOPY a /a\nRUN passwd -l root\n", "RUN /bin/sh -c passwd -l root # buildkit", NoLevel, Unknown, "run-unproved"},
		"WORKDIR":      {"FROM scratch\nCOPY a /a\nWORKDIR /app\n", "WORKDIR /app", Different, Fail, "file-missing"},
		"a base image": {"FROM debian:12\nCOPY a /a\nLABEL b=c\n", "LABEL b=c", NoLevel, Unknown, "base-unverified"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.release(map[string]string{"Dockerfile": c.dockerfile, "a": "true"})
			s := w.image(step{"COPY a /a # buildkit", []entry{file("a", "true")}}, step{c.entry, nil})
			o := w.options()
			o.RebuildLevel, o.Requirements.Only = SameFiles, []string{"rebuild.level"}
			img := verifyOne(t, "oci:"+s.write(), o)
			f, ok := findingOf(img, "rebuild.level")
			if !ok || f.Status != c.status || f.Reason != c.reason || img.Rebuild.Level != c.level {
				t.Errorf("level %q, want %q %s %s:%s", img.Rebuild.Level, c.level, c.status, c.reason, describe(img))
			}
		})
	}
}

func checkDifference(t *testing.T, got *Difference, want Difference) {
	t.Helper()
	if got == nil {
		got = &Difference{}
	}
	if got.Where != want.Where || want.Path != "" && got.Path != want.Path || want.Field != "" && got.Field != want.Field {
		t.Errorf("difference %+v, want %+v", *got, want)
	}
}

func TestATimeOfHistoryIsAWitnessThatIsListed(t *testing.T) {
	corpus.Dir(t)
	s := takeSpecimen(t, "alpine-3.20.3", "amd64")
	at := strings.Replace(string(s.published), `"created":"2024-09-06T12:05:36Z","created_by":"ADD`, `"created":"2024-09-06T12:05:35Z","created_by":"ADD`, 1)
	s.config.History[0].Created = v1.Time{Time: s.config.History[0].Created.Add(-time.Second)}
	s.published, s.written = []byte(at), s.encode(s.config)
	s.official = true
	s.sealConfig()
	o := warmOptions(t)
	o.RebuildLevel, o.Requirements.Only = SameImageID, []string{"rebuild.level"}
	img := verifyOne(t, "oci:"+s.write(), o)
	if w := img.Rebuild.Witnesses; img.Rebuild.Level != SameImageID || !slices.Contains(w, Witness{"history[0].created", "2024-09-06T12:05:35Z"}) {
		t.Errorf("level %s, witnesses %v", img.Rebuild.Level, w)
	}
}
