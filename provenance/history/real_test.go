package history

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/internal/corpus"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/dockerfile/dockerfiletest"
)

// everything uses every directive, in every form that all builders read. The
// stages that it is FROM make its base, so that all of its history is its own.
const everything = `# escape=\
ARG GLOBAL=g
FROM scratch AS base
ADD rootfs.tar.gz /
ENV ONE=1 TWO="two words" THREE='single $ONE'
ONBUILD ENV TRIGGERED=${ONE}x
ONBUILD RUN echo "triggered $TRIGGERED" > /trig
CMD ["base"]

FROM scratch AS other
COPY one.txt /other/from-other.txt

FROM base
ARG GLOBAL
ARG VERSION=1.2.3
ARG NODEFAULT
MAINTAINER Some Body <some@body.test>
LABEL a=1 "b c"="d e" multi="x \
  y"
ENV VER=$VERSION PATH=/opt/bin:$PATH DEF=${NONE:-def} ALT=${ONE:+alt} ESC=\$ONE
ENV OLD style value
RUN set -ex \
  # a comment
  && echo "ver=$VERSION $GLOBAL" > /ver \

  &&   true
RUN ["/bin/sh", "-c", "echo exec"]
COPY one.txt two.txt /two/
COPY --chown=1:2 one.txt /chowned
COPY --from=other /other/from-other.txt /from/
COPY dir/ /dir/
COPY *.txt ./glob/
COPY ["one.txt", "/with space/"]
ADD t.tar /tar/
WORKDIR /work
WORKDIR sub/$VERSION
SHELL ["/bin/sh", "-e", "-c"]
RUN echo shell
EXPOSE 80 443/tcp 53/udp 7000-7002
VOLUME /vone /vtwo
VOLUME ["/v three"]
USER daemon
HEALTHCHECK --interval=30s --timeout=3s --start-period=1s --retries=2 CMD true || exit 1
STOPSIGNAL SIGQUIT
ONBUILD RUN echo child
ENTRYPOINT ["/bin/sh", "-c"]
CMD echo hello
`

// newest uses what only the newest BuildKit reads.
const newest = `# check=skip=all
FROM scratch AS base
ADD rootfs.tar.gz /
FROM base AS src
COPY one.txt /src/one.txt
FROM base
ARG TARGETARCH
ARG TARGETPLATFORM
ARG SUFFIX=one.txt
ENV CUT=${SUFFIX%%.txt} LEAD=${SUFFIX#one} SWAP=${SUFFIX/one/two}
RUN --mount=type=bind,source=one.txt,target=/mnt/one.txt --mount=type=cache,target=/cache cat /mnt/one.txt
RUN --network=none echo offline
RUN --security=sandbox echo sandboxed
RUN <<EOF
echo $SUFFIX
EOF
RUN cat <<ONE <<TWO
first
ONE
second
TWO
RUN <<SCRIPT
#!/bin/sh
echo scripted
SCRIPT
COPY <<-DOC /etc/doc-$SUFFIX
	some text $SUFFIX
DOC
COPY --chmod=640 --link one.txt /linked/one.txt
COPY --parents dir/./sub/*.txt /parents/
COPY --exclude=*.md dir /excluded/
COPY --from=src --chown=3:4 /src/one.txt /from/
ADD --checksum=sha256:%[1]s %[2]s/file.txt /remote/file.txt
ADD --chmod=600 %[2]s/file.txt /remote/named
ADD %[2]s/repo.git /repo/
ADD --keep-git-dir=true %[2]s/repo.git#main:sub /kept/
HEALTHCHECK --interval=1m --start-interval=2s CMD ["true"]
STOPSIGNAL SIGTERM
LABEL last=yes
`

// official is in the manner of the official library's images, of 2018 and of
// today: comments and empty lines within continuations, tabs, spaces at a line's
// end, quotes, and values of several words and of the base.
const official = `FROM scratch AS base
ADD rootfs.tar.gz /
ENV PATH=/usr/local/bin:$PATH
FROM base
# explicitly set user/group IDs
RUN set -eux; \
	echo postgres 2>/dev/null || true; \
# the home directory is made by hand
	mkdir -p /var/lib/postgresql; \

	# indented, and an empty line before it
	for i in one two; do echo "$i"; done; true
ENV LANG=en_US.utf8 GOLANG_VERSION="1.20.3" \
	GOPATH='/go path' QUOTED="a \"b\" \$c"
ENV PHP_INI_DIR /usr/local/etc/php
ENV PATH $PHP_INI_DIR/bin:/usr/local/go/bin:$PATH
ARG PHP_VERSION=7.2
LABEL org.label.a="one" \
      org.label.b="two words" \
      org.label.c=three
RUN mkdir -p "$GOPATH/src" "$PHP_INI_DIR/conf.d" && chmod -R 777 "$PHP_INI_DIR" && echo ${PHP_VERSION%.*} 
WORKDIR $PHP_INI_DIR/src
COPY one.txt two.txt $PHP_INI_DIR/
COPY dir/sub/b.txt ./
VOLUME ["/var/lib/mysql", "/data path"]
VOLUME /usr/share/$LANG
EXPOSE 3306 33060/tcp 9200/udp
EXPOSE 9000-9002
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-eo", "pipefail", "-c"]
HEALTHCHECK --interval=5m --timeout=3s \
  CMD echo "ok" || exit 1
ONBUILD COPY . /usr/src/app
ONBUILD RUN npm install && npm cache clean --force
USER 1000:1000
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mysqld", "--user=mysql", "a & b <c>"]
`

// backquoted is escaped by backquotes, which leaves backslashes alone, and has the
// line ends of Windows.
var backquoted = strings.ReplaceAll("# escape=`\n"+`FROM scratch AS base
ADD rootfs.tar.gz /
FROM base
ENV BACK=a\b QUOTED="two ^
words" ESC=^$BACK
ENV PLAIN $BACK\c
LABEL path=C:\dir "k\l"="m\n"
RUN echo one ^
  && echo two\\three

RUN ["/bin/echo", "list"]
COPY one.txt two.txt ^
  /two/
COPY --chown=1:2 one.txt /chowned
WORKDIR /work\dir
ARG LATE=x
RUN echo $LATE ^
# a comment
  end
EXPOSE 80 ^
  443
VOLUME /vone
USER daemon
STOPSIGNAL SIGQUIT
ONBUILD RUN echo ^
  child
ENTRYPOINT ["/bin/sh", "-c"]
CMD echo a\b
`, "\n", "\r\n")

// contextFor writes a build context with a real root file system.
func contextFor(t testing.TB, text string) string {
	dir := builders.Context(t, map[string]string{
		"Dockerfile": text, "one.txt": "1", "two.txt": "22", "dir/a.md": "#", "dir/sub/b.txt": "b",
	})
	from := filepath.Join(corpus.Dir(t), "builders", "contexts")
	for name, source := range map[string]string{"rootfs.tar.gz": "a/rootfs.tar.gz", "t.tar": "b/t.tar"} {
		data, err := os.ReadFile(filepath.Join(from, source))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// built is an image that a real builder made of a Dockerfile.
type built struct {
	name, text, dialect string
	args                map[string]string
	config              *v1.ConfigFile
}

// match matches the image with another text in the Dockerfile's place.
func (b built) match(text string) (*Alignment, error) {
	f, err := dockerfile.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	build, err := f.Evaluate(dockerfile.Options{OS: "linux", Architecture: "amd64", BuildArgs: b.args})
	if err != nil {
		return nil, err
	}
	return Match(b.config.History, len(b.config.RootFS.DiffIDs), build), nil
}

// buildArgs are build arguments as flags of docker build and buildah bud.
func buildArgs(args map[string]string) []string {
	var out []string
	for k, v := range args {
		out = append(out, "--build-arg", k+"="+v)
	}
	return out
}

func oneConfig(t testing.TB, archive string) *v1.ConfigFile {
	t.Helper()
	configs := configsIn(t, archive)
	if len(configs) != 1 {
		t.Fatalf("%s holds %d configurations, want 1", archive, len(configs))
	}
	return configs[0]
}

// remoteFiles serves a file under every name, but for /repo.git, which is a git
// repository.
func remoteFiles(t *testing.T) http.Handler {
	t.Helper()
	dir := t.TempDir()
	for _, args := range [][]string{
		{"init", "-q", "-b", "main", "work"}, {"-C", "work", "add", "."},
		{"-C", "work", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "a"}, {"clone", "-q", "--bare", "work", "repo.git"},
	} {
		if args[len(args)-1] == "." {
			if err := os.CopyFS(filepath.Join(dir, "work"), fstest.MapFS{"sub/file.txt": {Data: []byte("in git")}}); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	path, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(string(path)), "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"}}
	mux := http.NewServeMux()
	mux.Handle("/repo.git/", backend)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "remote") })
	return mux
}

// buildAll builds the Dockerfiles with every builder, side by side.
func buildAll(t *testing.T) []built {
	args := map[string]string{"GLOBAL": "given", "VERSION": "2.0"}
	server := httptest.NewServer(remoteFiles(t))
	t.Cleanup(server.Close)
	latest := fmt.Sprintf(newest, fmt.Sprintf("%x", sha256.Sum256([]byte("remote"))), server.URL)
	var out []built
	var mu sync.Mutex
	add := func(b built) {
		mu.Lock()
		defer mu.Unlock()
		out = append(out, b)
	}
	context, dir := contextFor(t, everything), t.TempDir()
	windows := strings.ReplaceAll(backquoted, "^", "`")
	latestContext, officialContext, windowsContext := contextFor(t, latest), contextFor(t, official), contextFor(t, windows)
	file := func(name string) string { return filepath.Join(dir, name+".tar") }
	t.Run("build", func(t *testing.T) {
		t.Run("docker", func(t *testing.T) {
			t.Parallel()
			d := builders.StartDocker(t, "--experimental") // for --squash
			d.BuildClassic(t, "t/classic", context, buildArgs(args)...)
			d.Save(t, "t/classic", file("classic"))
			add(built{"the classic builder", everything, dockerfile.Classic, args, oneConfig(t, file("classic"))})
			d.BuildClassic(t, "t/squash", context, append(buildArgs(args), "--squash")...)
			d.Save(t, "t/squash", file("squash"))
			add(built{"the classic builder, squashed", everything, dockerfile.Classic, args, oneConfig(t, file("squash"))})
			d.BuildClassic(t, "t/official", officialContext)
			d.Save(t, "t/official", file("official"))
			add(built{"the classic builder, of an official image", official, dockerfile.Classic, nil, oneConfig(t, file("official"))})
			d.BuildClassic(t, "t/windows", windowsContext)
			d.Save(t, "t/windows", file("windows"))
			add(built{"the classic builder, with backquotes", windows, dockerfile.Classic, nil, oneConfig(t, file("windows"))})
			d.BuildKit(t, "t/bk", context, buildArgs(args)...)
			d.Save(t, "t/bk", file("bk"))
			add(built{"BuildKit in Docker 20.10", everything, dockerfile.BuildKit, args, oneConfig(t, file("bk"))})
		})
		t.Run("buildkit", func(t *testing.T) {
			t.Parallel()
			b := builders.StartBuildKit(t)
			b.Build(t, context, file("buildkit"), "1460000000", "--opt", "build-arg:GLOBAL=given", "--opt", "build-arg:VERSION=2.0")
			add(built{"BuildKit", everything, dockerfile.BuildKit, args, oneConfig(t, file("buildkit"))})
			b.Build(t, latestContext, file("latest"), "1460000000")
			b.Build(t, officialContext, file("official-bk"), "1460000000")
			add(built{"BuildKit, of an official image", official, dockerfile.BuildKit, nil, oneConfig(t, file("official-bk"))})
			b.Build(t, windowsContext, file("windows-bk"), "1460000000")
			add(built{"BuildKit, with backquotes", windows, dockerfile.BuildKit, nil, oneConfig(t, file("windows-bk"))})
			add(built{"the newest of BuildKit", latest, dockerfile.BuildKit, nil, oneConfig(t, file("latest"))})
		})
		t.Run("buildah", func(t *testing.T) {
			t.Parallel()
			b := builders.StartBuildah(t)
			b.Build(t, "t/combined", context, append(buildArgs(args), "--layers=false", "--timestamp", "0")...)
			b.Push(t, "t/combined", "oci-archive:"+file("combined"))
			b.Build(t, "t/official", officialContext, "--layers", "--timestamp", "0")
			b.Push(t, "t/official", "oci-archive:"+file("official-buildah"))
			b.Build(t, "t/windows", windowsContext, "--layers", "--timestamp", "0")
			b.Push(t, "t/windows", "oci-archive:"+file("windows-buildah"))
			add(built{"buildah, with backquotes", windows, dockerfile.Buildah, nil, oneConfig(t, file("windows-buildah"))})
			add(built{"buildah, of an official image", official, dockerfile.Buildah, nil, oneConfig(t, file("official-buildah"))})
			add(built{"buildah", everything, dockerfile.Buildah, args, oneConfig(t, file("combined"))})
		})
	})
	if len(out) != 12 {
		t.Fatalf("%d images were built, want 12", len(out))
	}
	return out
}

func TestRealBuildersImagesMatchAndFailAtTheDirectiveThatIsChanged(t *testing.T) {
	corpus.Long(t)
	corpus.Real(t)
	for _, b := range buildAll(t) {
		t.Run(b.name, func(t *testing.T) {
			a, err := b.match(b.text)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range a.Problems {
				t.Errorf("%s (line %d): want %q, got %q", p.Code, p.Line, p.Want, p.Got)
			}
			if a.Dialect != b.dialect || a.BaseEntries != 0 {
				t.Errorf("in the form of %s above %d entries", a.Dialect, a.BaseEntries)
			}
			if t.Failed() {
				for i, h := range b.config.History {
					t.Logf("%d %v %q %q", i, h.EmptyLayer, h.CreatedBy, h.Comment)
				}
				return
			}
			checkChanges(t, b, a)
		})
	}
}

// checkChanges changes each directive in turn: the match must fail there.
func checkChanges(t *testing.T, b built, a *Alignment) {
	r, changed := rand.New(rand.NewPCG(1, 2)), 0
	for _, row := range a.Rows {
		if row.Status != Matched || a.Build.Directives[row.Directive].Trigger {
			continue // a trigger's text stands at another directive
		}
		d := a.Build.Directives[row.Directive]
		if d.Original == "ARG NODEFAULT" && b.dialect == dockerfile.Buildah {
			continue // it names only arguments with a value
		}
		text, ok := dockerfiletest.ChangeLetter(r, b.text, d)
		if !ok {
			continue // a copy to "/"
		}
		changed++
		got, err := b.match(text)
		if err != nil {
			continue // no builder reads it
		}
		here := func(p Problem) bool { return p.Line >= d.Line && p.Line <= d.EndLine }
		if got.Matched || !slices.ContainsFunc(got.Problems, here) {
			t.Errorf("line %d (%s) was changed, and these are the problems: %+v", d.Line, d.Original, got.Problems)
		}
	}
	if changed < 15 {
		t.Errorf("only %d directives were changed", changed)
	}
}
