package verify

import (
	"archive/tar"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/internal/corpus"
)

// imageOf makes an image without a source, a layer for each list of entries.
func imageOf(t *testing.T, layers ...[]entry) *specimen {
	t.Helper()
	w := &world{t: t, clock: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	var steps []step
	for i, l := range layers {
		steps = append(steps, step{fmt.Sprintf("COPY %d / # buildkit", i), l})
	}
	return w.image(steps...)
}

func diff(t *testing.T, a, b *specimen, o DiffOptions) *DiffReport {
	t.Helper()
	r, err := Diff(t.Context(), "oci:"+a.write(), "oci:"+b.write(), Options{Platform: "linux/amd64", Offline: true}, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func diffLines(r *DiffReport) []string {
	var lines []string
	for _, d := range r.Differences {
		line := d.Class + " " + d.Path
		if d.Layer != nil {
			line += fmt.Sprintf("@%d", *d.Layer)
		}
		if d.Noise != "" {
			line += " noise:" + d.Noise
		}
		lines = append(lines, line)
	}
	return lines
}

func directory(name string) entry {
	return entry{tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeDir}, nil}
}

func with(e entry, change func(*tar.Header)) entry {
	change(&e.header)
	return e
}

func TestTwoImagesAreComparedFileByFile(t *testing.T) {
	base := []entry{directory("etc/"), file("etc/passwd", "root\n"), file("etc/z", "z")}
	late := func(e entry) entry { return with(e, func(h *tar.Header) { h.ModTime = time.Unix(99, 0) }) }
	tests := []struct {
		name  string
		a, b  [][]entry
		level Level
		want  []string
	}{
		{"themselves", [][]entry{base}, [][]entry{base}, SameDigest, nil},
		{"another content", [][]entry{base}, [][]entry{{directory("etc/"), file("etc/passwd", "toor\n"), file("etc/z", "z")}}, Different,
			[]string{"content etc/passwd@0"}},
		{"another mode", [][]entry{base}, [][]entry{{directory("etc/"), with(file("etc/passwd", "root\n"), func(h *tar.Header) { h.Mode = 0o600 }), file("etc/z", "z")}}, Different,
			[]string{"mode etc/passwd@0"}},
		{"another time", [][]entry{base}, [][]entry{{directory("etc/"), late(file("etc/passwd", "root\n")), file("etc/z", "z")}}, SameFiles,
			[]string{"time etc/passwd@0 noise:time"}},
		{"another order", [][]entry{base}, [][]entry{{directory("etc/"), file("etc/z", "z"), file("etc/passwd", "root\n")}}, SameFiles,
			[]string{"order etc/passwd@0"}},
		{"the same files in other layers", [][]entry{base}, [][]entry{base[:2], base[2:]}, SameFiles,
			[]string{"config history[1].comment", "config history[1].created noise:time", "config history[1].created_by", "format ."}},
		{"a file that a layer removes", [][]entry{base}, [][]entry{append(slices.Clone(base), file("tmp", "t")), {file(".wh.tmp", "")}}, SameFiles, nil},
		{"a hard link made a copy", [][]entry{{file("a", "x"), hardLink("b", "a")}}, [][]entry{{file("a", "x"), file("b", "x")}}, Different,
			[]string{"link b@0"}},
		{"hard links named from the other side", [][]entry{{file("a", "x"), hardLink("b", "a")}}, [][]entry{{file("b", "x"), hardLink("a", "b")}}, SameFiles, nil},
		{"a file in place of a directory", [][]entry{{directory("x/")}}, [][]entry{{file("x", "")}}, Different, []string{"type x@0"}},
		{"one file more, one less", [][]entry{{file("a", "x")}}, [][]entry{{file("b", "x")}}, Different, []string{"only-in-a a@0", "only-in-b b@0"}},
		{"a log", [][]entry{{file("var/log/x.log", "1")}}, [][]entry{{file("var/log/x.log", "2")}}, Different, []string{"content var/log/x.log@0 noise:log"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := diff(t, imageOf(t, test.a...), imageOf(t, test.b...), DiffOptions{Reread: -1})
			if r.Level != test.level || r.Judged != r.Level {
				t.Errorf("level %s, judged %s, want %s", r.Level, r.Judged, test.level)
			}
			if got := diffLines(r); test.want != nil && !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			if (len(r.Differences) == 0) != (r.Level == SameDigest) {
				t.Errorf("level %s with the differences %q", r.Level, diffLines(r))
			}
		})
	}
}

func TestConfigsAndManifestsAreCompared(t *testing.T) {
	made := func(change func(*specimen)) *specimen {
		s := imageOf(t, []entry{file("a", "x")})
		change(s)
		s.sealConfig()
		return s
	}
	a := made(func(s *specimen) {
		s.config.Config.Env = []string{"A=1"}
		s.manifest.Annotations = map[string]string{"k": "1"}
	})
	tests := []struct {
		name  string
		b     *specimen
		level Level
		want  []string
	}{
		{"a variable", made(func(s *specimen) {
			s.config.Config.Env = []string{"A=2"}
			s.manifest.Annotations = map[string]string{"k": "1"}
		}), SameLayers, []string{"config config.Env[0]"}},
		{"a time", made(func(s *specimen) {
			s.config.Config.Env = []string{"A=1"}
			s.config.Created.Time = s.config.Created.Add(time.Hour)
			s.manifest.Annotations = map[string]string{"k": "1"}
		}), SameLayers, []string{"config created noise:time"}},
		{"an annotation", made(func(s *specimen) {
			s.config.Config.Env = []string{"A=1"}
			s.manifest.Annotations = map[string]string{"k": "2"}
		}), SameImageID,
			[]string{"annotation k"}},
		{"a media type", made(func(s *specimen) {
			s.config.Config.Env = []string{"A=1"}
			s.manifest.Annotations = map[string]string{"k": "1"}
			s.manifest.MediaType = types.DockerManifestSchema2
		}), SameImageID, []string{"format manifest"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := diff(t, a, test.b, DiffOptions{})
			if got := diffLines(r); r.Level != test.level || !slices.Equal(got, test.want) {
				t.Errorf("level %s, %q; want %s, %q", r.Level, got, test.level, test.want)
			}
		})
	}
}

func TestOnlyWhatIsIgnoredDoesNotCount(t *testing.T) {
	a := imageOf(t, []entry{file("a", "x"), file("var/log/l", "1")})
	b := imageOf(t, []entry{with(file("a", "x"), func(h *tar.Header) { h.ModTime = time.Unix(9, 0) }), file("var/log/l", "2")})
	tests := []struct {
		ignore []string
		want   Level
	}{
		{nil, Different},
		{[]string{"time"}, Different},
		{[]string{"log"}, SameFiles},
		{[]string{"log", "time"}, SameDigest},
		{[]string{"noise"}, SameDigest},
		{[]string{"content"}, SameFiles},
		{[]string{"mode", "config"}, Different},
	}
	for _, test := range tests {
		r := diff(t, a, b, DiffOptions{Ignore: test.ignore})
		if r.Judged != test.want || r.Level != Different || r.Noise["log"] != 1 || r.Noise["time"] != 1 {
			t.Errorf("%q: judged %s, want %s; level %s, noise %v", test.ignore, r.Judged, test.want, r.Level, r.Noise)
		}
	}
	if _, err := Diff(t.Context(), "oci:a", "oci:b", Options{}, DiffOptions{Ignore: []string{"contents"}}); err == nil || err.Error() != `no class of difference and no noise is called "contents"` {
		t.Error(err)
	}
}

func TestNoiseThatContentsTellIsToldByThem(t *testing.T) {
	paragraphs := func(order ...string) entry {
		return file("lib/apk/db/installed", "P:"+strings.Join(order, "\n\nP:")+"\n\n")
	}
	a := imageOf(t, []entry{paragraphs("a", "b")})
	b, c := imageOf(t, []entry{paragraphs("b", "a")}), imageOf(t, []entry{paragraphs("b", "c")})
	if r := diff(t, a, b, DiffOptions{Reread: -1}); r.Noise["apk-db-order"] != 1 {
		t.Errorf("%v", r.Noise)
	}
	if r := diff(t, a, c, DiffOptions{Reread: -1}); r.Noise["apk-db-order"] != 0 || !slices.Contains(r.Differences[0].Change, "+P:c") {
		t.Errorf("%v, %q", r.Noise, r.Differences[0].Change)
	}
	if r := diff(t, a, b, DiffOptions{}); len(r.Noise) != 0 || r.Unread != 1 {
		t.Errorf("%v, %d not read: what was not read is no noise", r.Noise, r.Unread)
	}
}

func TestLayersAreComparedOneByOneWhereAsked(t *testing.T) {
	a := imageOf(t, []entry{file("a", "1")}, []entry{file("b", "1")})
	b := imageOf(t, []entry{file("a", "2")}, []entry{file("a", "1"), file("b", "1")})
	if r := diff(t, a, b, DiffOptions{}); r.Counts["content"] != 0 || r.Level != SameFiles {
		t.Errorf("as a whole: %s, %q", r.Level, diffLines(r))
	}
	r := diff(t, a, b, DiffOptions{ByLayer: true})
	if got, want := diffLines(r), []string{"only-in-b a@1", "content a@0"}; r.Level != Different || !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("%s, %q", r.Level, got)
	}
}

func TestAnImageWhoseBytesAreNotItsOwnIsNotCompared(t *testing.T) {
	a := imageOf(t, []entry{file("a", "1")})
	b := imageOf(t, []entry{file("a", "1")})
	b.blobs[b.manifest.Layers[0].Digest] = repack(t, []entry{file("a", "2")})
	_, err := Diff(t.Context(), "oci:"+a.write(), "oci:"+b.write(), Options{Platform: "linux/amd64", Offline: true}, DiffOptions{})
	if err == nil || !strings.Contains(err.Error(), "layer 1: the blob is not "+b.manifest.Layers[0].Digest.String()) {
		t.Error(err)
	}
}

// injected makes a tree and a copy of it with known differences, as classes by
// path.
func injected(rnd *rand.Rand) (a, b []entry, want map[string]string) {
	want = map[string]string{}
	dirs := []string{""}
	for i := range 3 + rnd.IntN(20) {
		name := dirs[rnd.IntN(len(dirs))] + fmt.Sprintf("n%02d", i)
		e := file(name, fmt.Sprint(rnd.IntN(1000)))
		switch rnd.IntN(5) {
		case 4:
			one, other := linked(rnd, e, want)
			a, b = append(a, one...), append(b, other...)
			continue
		case 0:
			e = directory(name + "/")
			dirs = append(dirs, name+"/")
		case 1:
			e = entry{tar.Header{Name: name, Mode: 0o777, Typeflag: tar.TypeSymlink, Linkname: "there"}, nil}
		}
		a = append(a, e)
		b = append(b, damage(rnd, e, want)...)
	}
	return a, b, want
}

// linked is a file with a second name, which may be a copy on the other side.
func linked(rnd *rand.Rand, e entry, want map[string]string) (a, b []entry) {
	name := e.header.Name + "l"
	a = []entry{e, hardLink(name, e.header.Name)}
	if rnd.IntN(3) > 0 {
		return a, a
	}
	want[name] = "link"
	return a, []entry{e, file(name, string(e.data))}
}

// damage makes at most one difference in an entry.
func damage(rnd *rand.Rand, e entry, want map[string]string) []entry {
	name := path.Clean(e.header.Name)
	isFile, isLink := e.header.Typeflag == tar.TypeReg, e.header.Typeflag == tar.TypeSymlink
	switch n := rnd.IntN(24); {
	case n == 0 && isFile:
		e.data = append([]byte{'x'}, e.data[1:]...) // size and time kept
		want[name] = "content"
	case n == 1:
		e.header.Mode ^= 0o4
		want[name] = "mode"
	case n == 2:
		e.header.Uid++
		want[name] = "owner"
	case n == 3:
		e.header.ModTime = time.Unix(77, 0)
		want[name] = "time"
	case n == 4 && isLink:
		e.header.Linkname = "elsewhere"
		want[name] = "link"
	case n == 5 && isFile:
		want[name] = "only-in-a"
		return nil
	case n == 6:
		want[name+"x"] = "only-in-b"
		return []entry{e, file(name+"x", "extra")}
	case n == 7:
		e.header.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "1"}
		want[name] = "xattr"
	case n == 8 && isFile:
		e = entry{tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeFifo}, nil}
		want[name] = "type"
	}
	return []entry{e}
}

func TestOfAThousandPairsEveryInjectedDifferenceIsFoundAndNoneInvented(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	const pairs = 1000
	found := map[string]int{}
	for seed := range uint64(pairs) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		a, b, want := injected(rnd)
		got := map[string]string{}
		for _, d := range diff(t, imageOf(t, a), imageOf(t, b), DiffOptions{}).Differences {
			got[d.Path] += d.Class
			found[d.Class]++
		}
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d: got %v, want %v", seed, got, want)
		}
	}
	for _, class := range []string{"content", "mode", "owner", "time", "link", "only-in-a", "only-in-b", "xattr", "type"} {
		if found[class] < pairs/20 {
			t.Errorf("only %d differences of the class %s were made", found[class], class)
		}
	}
}
