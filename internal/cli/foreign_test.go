package cli

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/internal/gitserver"
	"github.com/imageverify/verify/internal/output/outputtest"
	"github.com/imageverify/verify/internal/schema"
)

// foreign marks nasty text with the field that it stands in.
func foreign(field string) string { return "in-" + field + " " + outputtest.Nasty }

// foreignLine is the same without line feeds, for formats of lines.
func foreignLine(field string) string {
	return "in-" + field + " " + strings.ReplaceAll(outputtest.Nasty, "\n", " ")
}

// foreignURL is a repository's URL with what a library's line can hold.
func foreignURL(field string) string {
	return "https://git.test/in-" + field + strings.ReplaceAll(foreignLine("url"), " ", "")
}

// foreignImage is an image with nasty text in all its fields. It claims the
// time created. The first entry of its history left the layer, of files by
// name.
func foreignImage(t *testing.T, created time.Time, layer map[string]string, history ...v1.History) v1.Image {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range layer {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text)), Uname: foreignLine("uname"),
			PAXRecords: map[string]string{"SCHILY.xattr.user." + foreignKey: "x"}}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	additions := []mutate.Addendum{{Layer: static.NewLayer(b.Bytes(), types.OCIUncompressedLayer), History: history[0]}}
	for _, h := range history[1:] {
		h.EmptyLayer = true
		additions = append(additions, mutate.Addendum{History: h})
	}
	img, err := mutate.Append(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), additions...)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Author, config.Created = "linux", "amd64", foreign("author"), v1.Time{Time: created}
	config.Config = v1.Config{
		Env: []string{foreign("env-name") + "=" + foreign("env")}, Cmd: []string{foreign("cmd")}, Entrypoint: []string{foreign("entrypoint")},
		User: foreign("user"), WorkingDir: "/" + foreign("workdir"), StopSignal: foreign("signal"),
		Labels: map[string]string{foreign("label-name"): foreign("label"), "org.opencontainers.image.source": foreignURL("label-source"),
			"org.opencontainers.image.revision": foreign("revision"), "org.opencontainers.image.version": foreign("version")},
		ExposedPorts: map[string]struct{}{foreign("port"): {}}, Volumes: map[string]struct{}{foreign("volume"): {}},
	}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return mutate.Annotations(img, map[string]string{
		foreign("annotation-name"): foreign("annotation"), "org.opencontainers.image.url": foreignURL("annotation-url"),
		"org.opencontainers.image.source": foreignURL("annotation-source") + "#" + foreign("annotation-commit"), "org.opencontainers.image.revision": foreign("annotation-revision"),
	}).(v1.Image)
}

// foreignKey is nasty text as the name of an extended attribute.
var foreignKey = strings.NewReplacer("\n", "", "=", "").Replace(foreign("xattr"))

// foreignLayout writes an image to a layout with nasty names.
func foreignLayout(t *testing.T, img v1.Image) string {
	t.Helper()
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	err = path.AppendImage(img, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": foreign("ref-name"), "io.containerd.image.name": foreign("containerd-name"), foreign("descriptor-name"): foreign("descriptor")}))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// foreignSources is a repository whose files are named nastily, and a library
// with entries of nasty fields for the tags good and bad.
func foreignSources(t *testing.T) (flags []string) {
	t.Helper()
	repository := func(files map[string]string) (dir, commit string) {
		dir = t.TempDir()
		gitserver.Git(t, dir, "init", "-q", "-b", "main", ".")
		return dir, gitserver.At(t, dir).Commit(files)
	}
	source, commit := repository(map[string]string{
		"d/Dockerfile": "FROM scratch\nCOPY a /a\nRUN " + foreignLine("dockerfile-run") + "\nLABEL x=\"" + foreignLine("dockerfile-label") + "\"\n", "d/a": "true",
		"d/" + strings.ReplaceAll(foreign("git-name"), "/", ""): "x"})
	entry := func(tag, repo, directory string) string {
		return fmt.Sprintf("\nTags: %s, %s\nArchitectures: amd64\nGitRepo: %s\nDirectory: %s\nGitCommit: %s\n", tag, strings.ReplaceAll(foreignLine("tag"), ",", ""), repo, directory, commit)
	}
	library, _ := repository(map[string]string{
		"library/app": "Maintainers: " + foreignLine("maintainer") + "\n" + entry("good", "https://git.test/app.git", "d") +
			entry("bad", foreignURL("library-repository"), foreignLine("library-directory")) + entry("lost", "https://git.test/app.git", foreignLine("lost-directory")),
		"library/broken": foreignLine("library-line") + "\n"})
	return []string{"--library", library, "--git-mirror", "https://git.test/app.git=" + source, "--offline", "--platform", "linux/amd64", "--no-cache"}
}

// foreignStyles are all ways in which a run speaks.
var foreignStyles = [][]string{{}, {"-v"}, {"-q"}, {"-v", "-o", "json"}}

// speak runs the program in all styles, holds what it writes to being safe, and
// returns all of it.
func speak(t *testing.T, args ...string) string {
	t.Helper()
	var all strings.Builder
	for _, style := range foreignStyles {
		var stdout, stderr bytes.Buffer
		env := Env{Stdout: &stdout, Stderr: &stderr, StdoutTerminal: len(style) == 0, Width: 100,
			Getenv: func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }}
		code := Main(append(style, args...), env)
		outputtest.CheckSafe(t, stdout.Bytes())
		outputtest.CheckSafe(t, stderr.Bytes())
		if len(style) > 1 {
			if err := schema.Validate(stdout.Bytes()); err != nil {
				t.Error(err)
			}
		}
		if t.Failed() {
			t.Fatalf("%q: exit code %d\n%q\n%q", append(style, args...), code, stdout.String(), stderr.String())
		}
		all.WriteString(stdout.String() + stderr.String())
	}
	return all.String()
}

// TestForeignTextIsSafeFromImageToOutput sees that nasty text of an image, its
// library and its repository gets to every output, and does nothing there.
func TestForeignTextIsSafeFromImageToOutput(t *testing.T) {
	flags := foreignSources(t)
	buildkit := func(text string) v1.History {
		return v1.History{CreatedBy: text, Comment: "buildkit.dockerfile.v0", Author: foreign("history-author")}
	}
	copied, run := buildkit("COPY a /a # buildkit"), buildkit("RUN /bin/sh -c "+strings.TrimSpace(foreignLine("dockerfile-run"))+" # buildkit")
	label := buildkit("LABEL x=" + foreignLine("dockerfile-label"))
	now := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		as      string
		layer   map[string]string
		history []v1.History
		// shown are the fields that must be found in the output.
		shown []string
	}{
		"an image that matches": {"app:good", map[string]string{"a": "true", foreign("file"): "x"}, []v1.History{copied, run, label},
			[]string{"file", "label-name", "env-name", "annotation-source"}},
		"another history": {"app:good", map[string]string{"a": "true"}, []v1.History{copied, {CreatedBy: foreign("created-by"), Comment: foreign("comment")}, buildkit("LABEL x=1")},
			[]string{"created-by", "dockerfile-run"}},
		"a library entry of another repository": {"app:bad", map[string]string{"a": "true"}, []v1.History{copied}, []string{"library-repository", "library-directory"}},
		"a library entry of another directory":  {"app:lost", map[string]string{"a": "true"}, []v1.History{copied}, []string{"lost-directory"}},
		"a library file that is none":           {"broken:1", map[string]string{"a": "true"}, []v1.History{copied}, []string{"annotation-source"}},
		"no name but the image's own":           {"", map[string]string{"a": "true"}, []v1.History{copied}, []string{"label-source"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"oci:" + foreignLayout(t, foreignImage(t, now, c.layer, c.history...))}, flags...)
			if c.as != "" {
				args = append(args, "--as", c.as)
			}
			all := speak(t, args...)
			for _, field := range c.shown {
				if !strings.Contains(all, "in-"+field) {
					t.Errorf("nothing of the field %s is shown in\n%.3000s", field, all)
				}
			}
		})
	}
}

// TestForeignTextIsSafeInErrors gives nasty text to whatever ends in a line on
// stderr: references, and what registries answer.
func TestForeignTextIsSafeInErrors(t *testing.T) {
	dir := foreignLayout(t, foreignImage(t, time.Now(), map[string]string{"a": "x"}, v1.History{CreatedBy: "x"}))
	odd := filepath.Join(t.TempDir(), strings.NewReplacer("/", "", ":", "", "@", "").Replace(foreign("file-name")))
	if err := os.WriteFile(odd, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for field, args := range map[string][]string{
		"reference":   {foreign("reference")},
		"ref-name":    {"oci:" + dir + ":other"},
		"asked":       {"oci:" + dir + ":" + foreign("asked")},
		"layout":      {"oci:" + foreign("layout")},
		"file-name":   {"docker-archive:" + odd},
		"library":     {"oci:" + dir, "--library", foreign("library")},
		"flag":        {"oci:" + dir, "--" + foreign("flag")},
		"check":       {"oci:" + dir, "--only", foreignLine("check")},
		"as":          {"oci:" + dir, "--as", foreign("as")},
		"platform":    {"oci:" + dir, "--platform", "linux/" + foreign("platform")},
		"mirror":      {"oci:" + dir, "--git-mirror", foreign("mirror")},
		"explain":     {"explain", foreign("explain")},
		"subcommand":  {"cache", foreign("subcommand")},
		"cache-dir":   {"cache", "prune", "--cache-dir", odd + foreign("cache-dir")},
		"output-file": {"oci:" + dir, "-o", "text=" + foreign("output-file") + "/x"},
	} {
		t.Run(field, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := Main(append([]string{"--color", "never"}, args...), Env{Stdout: &stdout, Stderr: &stderr, Getenv: func(string) string { return "" }})
			outputtest.CheckSafe(t, stdout.Bytes())
			outputtest.CheckSafe(t, stderr.Bytes())
			if all := stdout.String() + stderr.String(); code == exitVerified || !strings.Contains(all, "in-"+field) {
				t.Errorf("exit code %d, %q", code, all)
			}
		})
	}
}

func TestForeignTextIsSafeInWhatRegistriesAnswer(t *testing.T) {
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" && status != http.StatusUnauthorized {
				return
			}
			field := strings.NewReplacer("\n", " ", "\r", " ", "\x1b", "", "\a", "").Replace(foreign("header"))
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="`+field+`",error="`+field+`"`)
			w.Header().Set("Docker-Content-Digest", field)
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{"code": foreign("code"), "message": foreign("message"), "detail": foreign("detail")}},
				"tags": []string{foreign("tag")}, "mediaType": foreign("media-type"), "token": foreign("token")})
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"200": answer(200), "401": answer(401), "403": answer(403), "404": answer(404), "429": answer(429), "500": answer(500),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Location"] = []string{"http://in-location" + strings.ReplaceAll(foreignLine("location"), "\r", "")}
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
		"a status line": func(w http.ResponseWriter, r *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprintf(c, "HTTP/1.1 599 %s\r\nContent-Length: 0\r\n\r\n", strings.ReplaceAll(foreignLine("status"), "\r", ""))
				c.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // some are asked again after a while
			server := httptest.NewServer(handler)
			defer server.Close()
			host := strings.TrimPrefix(server.URL, "http://")
			all := speak(t, host+"/app:1", "--insecure-registry", host, "--no-cache", "--platform", "linux/amd64")
			if repeats := []string{"403", "429", "500"}; slices.Contains(repeats, name) && !strings.Contains(all, "in-message") {
				t.Errorf("nothing of the registry's words is shown in\n%s", all)
			}
		})
	}
}
