package replay

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// epoch is the SOURCE_DATE_EPOCH of the BuildKit builds.
const epoch = 1460000000

// written is one file of a generated context, or member of an archive.
type written struct {
	name  string
	text  string // content, or a link's target
	mode  fs.FileMode
	owner int // of a member: user, and group one more; 0 for root
	time  int64
	attrs map[string]string
}

func (w written) unix() time.Time {
	if w.time == 0 {
		return time.Unix(1450000000, 0)
	}
	return time.Unix(w.time, 0)
}

// makeContext writes a context to disk, directories last dated.
func makeContext(t testing.TB, dockerfile string, files []written) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	files = append(slices.Clone(files), written{name: "Dockerfile", text: dockerfile, mode: 0o644})
	for _, f := range files {
		makeFile(t, filepath.Join(dir, f.name), f)
	}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.Chtimes(name, written{}.unix(), written{}.unix())
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.mode.IsDir() {
			if err := os.Chtimes(filepath.Join(dir, f.name), f.unix(), f.unix()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func makeFile(t testing.TB, name string, f written) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	switch {
	case err != nil:
	case f.mode.IsDir():
		err = os.MkdirAll(name, 0o755)
	case f.mode&fs.ModeSymlink != 0:
		err = os.Symlink(f.text, name)
	default:
		err = os.WriteFile(name, []byte(f.text), 0o600)
	}
	if err == nil && f.mode&fs.ModeSymlink == 0 {
		err = os.Chmod(name, f.mode)
	}
	if err == nil {
		at := unix.NsecToTimespec(f.unix().UnixNano())
		err = unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// published is an image that a builder made.
type published struct {
	name    string
	diffIDs []string
	layers  [][]byte // archives
}

// readBuilt reads the images of what docker save or BuildKit's OCI exporter
// wrote.
func readBuilt(t testing.TB, file string) []published {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files, links := map[string][]byte{}, map[string]string{}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(tr); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeSymlink { // to a layer of the same bytes
			links[h.Name] = path.Join(path.Dir(h.Name), h.Linkname)
		}
	}
	for name, target := range links {
		files[name] = files[target]
	}
	var out []published
	if data, ok := files["manifest.json"]; ok {
		var saved []struct {
			Config   string
			RepoTags []string
			Layers   []string
		}
		decode(t, data, &saved)
		for _, s := range saved {
			for _, tag := range s.RepoTags { // images can be the same
				image := builtImage(t, files, s.Config, s.Layers)
				image.name = strings.TrimSuffix(tag, ":latest")
				out = append(out, image)
			}
		}
		return out
	}
	var index, m manifest
	decode(t, files["index.json"], &index)
	decode(t, files[blob(index.Manifests[0])], &m)
	if len(m.Manifests) > 0 {
		decode(t, files[blob(m.Manifests[0])], &m)
	}
	var layers []string
	for _, l := range m.Layers {
		layers = append(layers, blob(l))
	}
	return []published{builtImage(t, files, blob(m.Config), layers)}
}

func builtImage(t testing.TB, files map[string][]byte, config string, layers []string) published {
	t.Helper()
	var c struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	decode(t, files[config], &c)
	p := published{diffIDs: c.RootFS.DiffIDs}
	for _, name := range layers {
		content, _, err := checksums.Decompress(bytes.NewReader(files[name]))
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		p.layers = append(p.layers, data)
	}
	return p
}

func decode(t testing.TB, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
}

// replayed is the outcome of playing a Dockerfile.
type replayed struct {
	proved, unproved int // layers
	times            int // witnesses
}

// builtBy is how a builder's images are replayed.
type builtBy struct {
	dialect string
	stamp   Stamp
	base    published
	undated bool // the context's own times are not used
}

// replayImage plays a Dockerfile and compares each layer with the image's.
func (b builtBy) replayImage(t *testing.T, text string, context fs.FS, image published) replayed {
	t.Helper()
	file, err := dockerfile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	build, err := file.Evaluate(dockerfile.Options{OS: "linux", Architecture: "amd64", BaseEnv: map[string]string{}})
	if err != nil {
		t.Fatal(err)
	}
	p := &imagePlayer{T: t, builtBy: b, file: file, context: context, image: &image}
	s := p.stage(build)
	if p.next != len(image.layers) {
		t.Errorf("%d layers accounted for, the image has %d", p.next, len(image.layers))
	}
	_ = s
	return p.out
}

type imagePlayer struct {
	*testing.T
	builtBy
	file    *dockerfile.File
	context fs.FS
	image   *published // nil for a stage in between
	next    int        // layer
	out     replayed
}

func (p *imagePlayer) stage(build *dockerfile.Build) *Stage {
	p.Helper()
	var base []Below
	if build.Base != dockerfile.Scratch {
		for _, l := range p.base.layers {
			base = append(base, belowOf(p, l))
		}
	}
	p.next += len(base)
	s := NewStage(p.Context(), base, nil, checksums.Limits{})
	p.Cleanup(func() { s.Close() })
	for _, d := range build.Directives {
		p.directive(s, d)
	}
	return s
}

func belowOf(t testing.TB, archive []byte) Below {
	t.Helper()
	b := checksums.NewBuilder(nil, checksums.Limits{})
	if _, err := checksums.IndexTar(t.Context(), bytes.NewReader(archive), b); err != nil {
		t.Fatal(err)
	}
	index, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return Below{Index: index, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }}
}

func (p *imagePlayer) directive(s *Stage, d dockerfile.Directive) {
	p.Helper()
	if d.Layer == dockerfile.NoLayer {
		return
	}
	if d.Name == "RUN" {
		if p.image == nil {
			p.Fatalf("RUN in a stage in between")
		}
		s.Add(belowOf(p, p.image.layers[p.next]))
		p.next++
		p.out.unproved++
		return
	}
	in := Input{Directive: d, Context: p.context, Dialect: p.dialect, AsFound: true, Dated: !p.undated, ChmodParents: true, Created: p.stamp.SourceDate}
	if d.Copy != nil && d.Copy.From != "" {
		in.From = p.from(d.Copy.From)
	}
	played, err := s.Play(in)
	if err != nil {
		p.Fatalf("%s: %v", d.Original, err)
	}
	stamp := p.stamp
	var layer []byte
	if p.image != nil && p.next < len(p.image.layers) {
		layer = p.image.layers[p.next]
		stamp.Time = timesOf(p, layer)
	}
	var got bytes.Buffer
	w, err := played.Write(p.Context(), stamp, &got)
	if err != nil {
		p.Fatalf("%s: %v", d.Original, err)
	}
	if p.image == nil || p.dialect == Classic && got.Len() == 1024 {
		return // left out
	}
	p.out.times += len(w.Times)
	if p.next >= len(p.image.layers) || w.DiffID.String() != p.image.diffIDs[p.next] {
		p.Errorf("%s: layer %d differs:\n%s", d.Original, p.next, strings.Join(unlike(p, got.Bytes(), layer), "\n"))
	} else {
		p.out.proved++
	}
	p.next++
}

// from is the tree that --from names.
func (p *imagePlayer) from(name string) fs.FS {
	p.Helper()
	var s *Stage
	build, err := p.file.Evaluate(dockerfile.Options{OS: "linux", Architecture: "amd64", BaseEnv: map[string]string{}, Target: name})
	if err != nil {
		build = &dockerfile.Build{Base: name} // an image
	}
	other := &imagePlayer{T: p.T, builtBy: p.builtBy, file: p.file, context: p.context}
	s = other.stage(build)
	tree, err := s.FS()
	if err != nil {
		p.Fatal(err)
	}
	return tree
}

// timesOf are the times that a layer has.
func timesOf(t testing.TB, layer []byte) func(string) (time.Time, bool) {
	t.Helper()
	times := map[string]time.Time{}
	for tr := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		times[checksums.CleanPath(h.Name)] = h.ModTime
	}
	return func(name string) (time.Time, bool) {
		at, ok := times[name]
		return at, ok
	}
}

// unlike describes the headers in which two archives differ.
func unlike(t testing.TB, got, want []byte) []string {
	a, b := headers(t, got), headers(t, want)
	var out []string
	for i := range max(len(a), len(b)) {
		x, y := "", ""
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			out = append(out, "  replayed "+x, "  built    "+y)
		}
	}
	return out
}

func headers(t testing.TB, data []byte) []string {
	var out []string
	for tr := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := tr.Next()
		if err != nil {
			return out
		}
		content, _ := io.ReadAll(tr)
		out = append(out, fmt.Sprintf("%c %o %d:%d %s:%s %q %q %d dev %d:%d @%d %v %q %v", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Uname, h.Gname, h.Name, h.Linkname,
			h.Size, h.Devmajor, h.Devminor, h.ModTime.Unix(), h.PAXRecords, content[:min(len(content), 20)], h.Format))
	}
}

// layerCase is a Dockerfile and its context.
type layerCase struct {
	name       string
	dockerfile string
	context    []written
	only       string // a dialect; "" for both
}

func TestLayersAreTheClassicBuildersByteForByte(t *testing.T) {
	t.Parallel()
	d := builders.StartDocker(t)
	d.BuildClassic(t, "test/base", makeContext(t, baseDockerfile, baseContext(t)))
	names, cases, contexts := []string{"test/base"}, []layerCase{{}}, []string{""}
	for i, c := range layerCases(t) {
		if c.only != "" && c.only != Classic {
			continue
		}
		dir := makeContext(t, c.dockerfile, c.context)
		name := "test/case" + strconv.Itoa(i)
		d.BuildClassic(t, name, dir)
		names, cases, contexts = append(names, name), append(cases, c), append(contexts, dir)
	}
	saved := filepath.Join(t.TempDir(), "saved.tar")
	d.Run(t, append([]string{"save", "-o", saved}, names...)...)
	images := readBuilt(t, saved)
	slices.SortFunc(images, func(a, b published) int { return slices.Index(names, a.name) - slices.Index(names, b.name) })
	by := builtBy{dialect: Classic, base: images[0], stamp: Stamp{Names: hostNames}}
	checkLayers(t, by, cases[1:], contexts[1:], images[1:])
}

func TestLayersAreBuildKitsByteForByte(t *testing.T) {
	t.Parallel()
	b := builders.StartBuildKit(t)
	layout := filepath.Join(t.TempDir(), "base")
	build := func(dir string, args ...string) published {
		file := filepath.Join(t.TempDir(), "oci.tar")
		b.Build(t, dir, file, strconv.Itoa(epoch), args...)
		return readBuilt(t, file)[0]
	}
	baseDir := makeContext(t, baseDockerfile, baseContext(t))
	base := build(baseDir)
	b.Build(t, baseDir, layout, strconv.Itoa(epoch))
	digest := unpackLayout(t, layout)
	var cases []layerCase
	var contexts []string
	var images []published
	for _, c := range layerCases(t) {
		if c.only != "" && c.only != BuildKit {
			continue
		}
		dir := makeContext(t, c.dockerfile, c.context)
		images = append(images, build(dir, "--oci-layout", "base="+layout+".d", "--opt", "context:test/base=oci-layout://base@"+digest))
		cases, contexts = append(cases, c), append(contexts, dir)
	}
	by := builtBy{dialect: BuildKit, stamp: Stamp{SourceDate: time.Unix(epoch, 0)}, base: base}
	checkLayers(t, by, cases, contexts, images)
}

// hostNames are the names of this host, which Debian's Docker writes.
func hostNames(uid, gid int) (name, group string) {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		group = g.Name
	}
	return name, group
}

// unpackLayout unpacks an OCI archive beside it and returns its image's digest.
func unpackLayout(t testing.TB, archive string) string {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var index manifest
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return index.Manifests[0].Digest
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if h.Name == "index.json" {
			decode(t, data, &index)
		}
		name := filepath.Join(archive+".d", h.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func checkLayers(t *testing.T, by builtBy, cases []layerCase, contexts []string, images []published) {
	t.Helper()
	for _, by.undated = range []bool{false, true} {
		sum := replayed{}
		for i, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				got := by.replayImage(t, c.dockerfile, os.DirFS(contexts[i]), images[i])
				sum.proved += got.proved
				sum.unproved += got.unproved
				sum.times += got.times
			})
		}
		if len(cases) < 30 || sum.proved < 75 {
			t.Errorf("only %d images with %d layers", len(cases), sum.proved)
		}
		t.Logf("%d images: %d layers proved, %d of RUN, %d times from the image", len(cases), sum.proved, sum.unproved, sum.times)
	}
}
