package verify

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/rebuild"
	"github.com/imageverify/verify/rebuild/buildkit"
)

// aptGet stands for apt-get: it fetches a flat repository's index, installs a
// package with busybox's dpkg, and leaves lists, archives and logs, with the
// time of day, where apt leaves them.
const aptGet = `#!/bin/sh
set -e
repo=$(cat /etc/apt/sources.list)
case "$1" in
update)
  mkdir -p /var/lib/apt/lists
  wget -q -O /var/lib/apt/lists/Packages "$repo/Packages" ;;
install)
  shift; [ "$1" != -y ] || shift
  name=${1%%=*}; version=${1#*=}
  [ "$version" != "$1" ] || version=$(awk -v p="$name" '$1=="Package:"{n=$2} $1=="Version:"&&n==p{print $2; exit}' /var/lib/apt/lists/Packages)
  mkdir -p /var/cache/apt/archives /var/log/apt
  deb=/var/cache/apt/archives/${name}_${version}_all.deb
  wget -q -O "$deb" "$repo/${name}_${version}_all.deb"
  dpkg -i "$deb"
  echo "Start-Date: $(date) $(cat /proc/sys/kernel/random/uuid)" >> /var/log/apt/history.log
  echo "$(date) install $name $version" >> /var/log/dpkg.log ;;
esac
`

// apk stands for Alpine's: packages are tarballs, and the database is apk's.
const apk = `#!/bin/sh
set -e
[ "$1" = add ] && [ "$2" = --no-cache ]
repo=$(cat /etc/apk/repositories)
name=${3%%=*}; version=${3#*=}
[ "$version" != "$3" ] || version=$(wget -q -O - "$repo/latest")
wget -q -O /tmp/p.tar "$repo/$name-$version.tar"
tar -C / -xf /tmp/p.tar
mkdir -p /lib/apk/db
echo "P:$name
V:$version
F:usr/bin
R:$name
" >> /lib/apk/db/installed
rm /tmp/p.tar
`

// repository serves one package in whatever version is the newest.
type repository struct {
	t      *testing.T
	url    string
	newest string
}

func newRepository(t *testing.T, version string) *repository {
	t.Helper()
	r := &repository{t: t, newest: version}
	server := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *repository) serve(w http.ResponseWriter, q *http.Request) {
	name := strings.TrimPrefix(q.URL.Path, "/")
	version, isDeb := strings.CutSuffix(strings.TrimPrefix(name, "youtube-dl_"), "_all.deb")
	tarball, isTar := strings.CutSuffix(strings.TrimPrefix(name, "youtube-dl-"), ".tar")
	switch {
	case name == "Packages":
		fmt.Fprintf(w, "Package: youtube-dl\nVersion: %s\n\n", r.newest)
	case name == "latest":
		fmt.Fprintln(w, r.newest)
	case isDeb:
		w.Write(r.deb(version))
	case isTar:
		w.Write(tarOf(r.t, programEntry("usr/bin/youtube-dl", "#!/bin/sh\necho "+tarball+"\n")))
	default:
		http.NotFound(w, q)
	}
}

// deb is the package as dpkg-deb makes it.
func (r *repository) deb(version string) []byte {
	dir := builders.Context(r.t, map[string]string{
		"DEBIAN/control":     "Package: youtube-dl\nVersion: " + version + "\nArchitecture: all\nMaintainer: T <t@test>\nDescription: fetches films\n",
		"usr/bin/youtube-dl": "#!/bin/sh\necho " + version + "\n", "usr/share/doc/youtube-dl/changelog": "version " + version + "\n"})
	file := filepath.Join(r.t.TempDir(), "p.deb")
	cmd := exec.Command("dpkg-deb", "-Zgzip", "--root-owner-group", "-b", dir, file)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1450000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Errorf("dpkg-deb: %v\n%s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		r.t.Error(err)
	}
	return data
}

func programEntry(name, text string) entry {
	return entry{tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg}, []byte(text)}
}

func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.header.Size = int64(len(e.data))
		if err := w.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rootfs is a system of busybox with the two package managers.
func rootfs(t *testing.T, repo string) string {
	t.Helper()
	entries := []entry{directory("bin/"), programEntry("bin/busybox", busybox(t)), programEntry("bin/apt-get", aptGet), programEntry("bin/apk", apk)}
	for name := range strings.FieldsSeq("sh awk cat chown cp date dpkg echo mkdir rm sleep tar wget gunzip ar") {
		entries = append(entries, entry{tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}, nil})
	}
	entries = append(entries, directory("etc/"), directory("etc/apk/"), file("etc/apk/repositories", repo+"\n"), directory("etc/apt/"), file("etc/apt/sources.list", repo+"\n"),
		file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), directory("proc/"), entry{tar.Header{Name: "tmp/", Mode: 0o1777, Typeflag: tar.TypeDir}, nil},
		directory("var/"), directory("var/lib/"), directory("var/lib/dpkg/"), directory("var/lib/dpkg/info/"), file("var/lib/dpkg/status", ""), directory("var/log/"))
	return string(tarOf(t, entries...))
}

// tutorial is the workshop in which the images of a tutorial are built and
// rebuilt with the real BuildKit.
type tutorial struct {
	t        *testing.T
	buildkit *builders.BuildKit
	repo     *repository
	base     string // an OCI layout
	digest   string
}

func newTutorial(t *testing.T) *tutorial {
	t.Helper()
	b := builders.StartBuildKit(t)
	w := &tutorial{t: t, buildkit: b, repo: newRepository(t, "2016.04-1"), base: filepath.Join(t.TempDir(), "base")}
	context := builders.Context(t, map[string]string{"Dockerfile": "FROM scratch\nADD rootfs.tar /\nENV PATH=/bin:/usr/bin\nCMD [\"/bin/sh\"]\n", "rootfs.tar": rootfs(t, w.repo.url)})
	archive := filepath.Join(t.TempDir(), "base.tar")
	b.Build(t, context, archive, strconv.Itoa(builtEpoch))
	if err := os.Mkdir(w.base, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-C", w.base, "-xf", archive).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var index v1.IndexManifest
	data, err := os.ReadFile(filepath.Join(w.base, "index.json"))
	if err == nil {
		err = json.Unmarshal(data, &index)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.digest = index.Manifests[0].Digest.String()
	return w
}

// build builds a context on the base, with the network that RUN needs.
func (w *tutorial) build(context string) string {
	w.t.Helper()
	archive := filepath.Join(w.t.TempDir(), "image.tar")
	w.buildkit.Run(w.t, "build", "--progress=plain", "--no-cache", "--frontend=dockerfile.v0", "--local", "context="+context, "--local", "dockerfile="+context,
		"--opt", "build-arg:SOURCE_DATE_EPOCH="+strconv.Itoa(builtEpoch), "--oci-layout", "base="+w.base, "--opt", "context:ubuntu:16.04=oci-layout://base@"+w.digest,
		"--output", "type=oci,rewrite-timestamp=true,dest="+archive)
	return "oci-archive:" + archive
}

// variant is one way of writing the tutorial's Dockerfile.
type variant struct {
	name  string
	files map[string]string
	// level is what a rebuild comes to while the repository has the same
	// packages; causes what stands in its way.
	level  Level
	causes []string
	// moved is one of the causes once the repository has moved on: "" for none.
	// nil: that is not tried.
	moved []string
}

func onUbuntu(lines ...string) map[string]string {
	return map[string]string{"Dockerfile": "FROM ubuntu:16.04\n" + strings.Join(lines, "\n") + "\n"}
}

const cleaned = "RUN apt-get update && apt-get install -y youtube-dl && rm -rf /var/lib/apt/lists /var/cache/apt /var/log/apt /var/log/dpkg.log"

var variants = []variant{
	{"a RUN for each step", onUbuntu("RUN apt-get update", "RUN apt-get install -y youtube-dl", `CMD ["youtube-dl"]`), Different,
		[]string{"noise package-log"}, []string{"difference package-version youtube-dl"}},
	{"one RUN", onUbuntu("RUN apt-get update && apt-get install -y youtube-dl", `CMD ["youtube-dl"]`), Different,
		[]string{"noise package-log"}, nil},
	{"cleaned in the same RUN", onUbuntu(cleaned, `CMD ["youtube-dl"]`), SameDigest, nil, []string{"difference package-version youtube-dl"}},
	{"another user than root", onUbuntu(cleaned, "RUN echo app:x:1000:1000::/:/bin/sh >> /etc/passwd && mkdir /app && chown 1000:1000 /app", "USER app", `CMD ["youtube-dl"]`), SameDigest,
		nil, nil},
	{"pinned", onUbuntu(strings.Replace(cleaned, "-y youtube-dl", "-y youtube-dl=2016.04-1", 1)), SameDigest, nil, []string{""}},
	{"Alpine's package manager", onUbuntu("RUN apk add --no-cache youtube-dl", `CMD ["youtube-dl"]`), SameDigest, nil, []string{"difference package-version youtube-dl"}},
	{"an id that is made up", onUbuntu("RUN cat /proc/sys/kernel/random/uuid > /etc/machine"), Different, []string{"unsteady unsteady-content"}, nil},
	{"a site, of two stages", map[string]string{"src/index.md": "hello\n",
		"Dockerfile": "FROM ubuntu:16.04 AS build\nCOPY src /src\nRUN mkdir /site && { echo '<html>'; cat /src/index.md; sleep 1; date; } > /site/index.html\nFROM ubuntu:16.04\nCOPY --from=build /site /srv\n"}, Different,
		[]string{"unsteady build-time"}, nil},
}

// TestTheTutorialsImagesAreReproducedAsFarAsTheirDockerfilesAllow publishes each
// variant, reproduces it while the repository is as it was, and some of them
// again when the package has moved on.
func TestTheTutorialsImagesAreReproducedAsFarAsTheirDockerfilesAllow(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	w := newTutorial(t)
	sizes := map[string]int64{}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			w.t, w.repo.newest = t, "2016.04-1"
			context := builders.Context(t, v.files)
			published := w.build(context)
			r := w.reproduce(context, published)
			checkVariant(t, v.level, v.causes, r)
			sizes[v.name] = r.Rebuild.Coverage.Bytes.Total()
			t.Logf("%-26s %s  %s", v.name, r.Builds[0].Level, layerSizes(r))
			if v.moved == nil {
				return
			}
			w.repo.newest = "2016.05-1"
			later := w.reproduce(context, published)
			if v.moved[0] != "" && !slices.Contains(kindsAndNames(later), v.moved[0]) || v.moved[0] == "" && later.Rebuild.Level != SameDigest {
				t.Errorf("once the repository has moved on: %s, %q, want %q", later.Builds[0].Level, kindsAndNames(later), v.moved)
			}
		})
	}
	if sizes["cleaned in the same RUN"] >= sizes["one RUN"] {
		t.Errorf("cleaning saved nothing: %v", sizes)
	}
}

func kindsAndNames(r *ReproduceReport) []string {
	var out []string
	for _, c := range r.Causes {
		out = append(out, strings.TrimSpace(string(c.Kind)+" "+c.Name+" "+c.Subject))
	}
	return out
}

func checkVariant(t *testing.T, level Level, causes []string, r *ReproduceReport) {
	t.Helper()
	if got := kindsAndNames(r); r.Rebuild.Level != level || (r.Verdict == Verified) != (level == SameDigest) || !slices.Equal(got, causes) {
		t.Errorf("level %s with the causes %q, want %s with %q\n%+v", r.Builds[0].Level, got, level, causes, r.Differences)
	}
	for _, c := range r.Causes {
		if len(c.Directives) == 0 || c.Directives[0].Line == 0 {
			t.Errorf("nothing is said to have made %s", c.Name)
		}
	}
}

func layerSizes(r *ReproduceReport) string {
	var out []string
	for _, l := range r.Rebuild.Layers {
		out = append(out, fmt.Sprintf("%d %s %s", l.Directive, FormatBytes(l.Coverage.Bytes.Total()), l.Level))
	}
	return strings.Join(out, ", ")
}

// reproduce has a published image built again from its context.
func (w *tutorial) reproduce(context, published string) *ReproduceReport {
	w.t.Helper()
	pool, err := buildkit.New([]string{w.buildkit.Address}, buildkit.Config{})
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := Reproduce(w.t.Context(), published, Options{Platform: "linux/amd64", Offline: true, Given: Given{Context: context},
		Bases: map[string]string{"ubuntu:16.04": "oci:" + w.base}, Builder: pool, Building: Building{Asked: true, Network: rebuild.NetworkDefault}}, ReproduceOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	if r.Environment.Builder != "buildkit" || r.Environment.Version == "" || r.Environment.Network != rebuild.NetworkDefault || len(r.Environment.Bases) != 1 || r.Environment.Bases[0].Digest != w.digest {
		w.t.Errorf("environment %+v", r.Environment)
	}
	return r
}
