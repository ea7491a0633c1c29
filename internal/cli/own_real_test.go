package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/internal/gitserver"
)

// ownContexts are the build contexts of images of a user's own: without RUN,
// with RUN, a base and what builds on it.
func ownContexts(t *testing.T) map[string]map[string]string {
	plain := map[string]string{
		"Dockerfile": `FROM scratch
ARG VERSION=1
LABEL org.example.version=$VERSION
ADD rootfs.tar.gz /
WORKDIR /srv/app
COPY conf conf/
COPY --chown=7:8 run.sh /run.sh
COPY a.txt b.txt many/
COPY link.txt followed.txt
ENV A=b PATH=/bin
EXPOSE 80/tcp
VOLUME /data
STOPSIGNAL SIGINT
USER 7
ENTRYPOINT ["/run.sh"]
CMD ["serve"]
`,
		".dockerignore": "conf/*.secret\n",
		"conf/app.conf": "port=80\n", "conf/d/more.conf": "more=1\n", "conf/key.secret": "hidden\n",
		"run.sh": "#!/bin/sh\nexec app\n", "a.txt": "a\n", "b.txt": "b\n",
		"rootfs.tar.gz": rootfs(t, nil),
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatalf("Debian's package busybox-static: %v", err)
	}
	return map[string]map[string]string{
		"plain": plain,
		"run": {
			"Dockerfile":    "FROM scratch\nADD rootfs.tar.gz /\nCOPY a.txt /a.txt\nRUN echo made > /made\nCOPY b.txt /b.txt\nCMD [\"sh\"]\n",
			"rootfs.tar.gz": rootfs(t, busybox), "a.txt": "a\n", "b.txt": "b\n",
		},
		"base": {
			"Dockerfile":    "FROM scratch\nLABEL org.opencontainers.image.source=https://git.test/base org.opencontainers.image.revision=0123456789012345678901234567890123456789\nADD rootfs.tar.gz /\n",
			"rootfs.tar.gz": rootfs(t, nil),
		},
		"child": {"Dockerfile": "FROM own/base\nCOPY a.txt /srv/\nCMD [\"/srv/a.txt\"]\n", "a.txt": "a\n"},
	}
}

// rootfs is a file system as an archive, with a shell where one is given.
func rootfs(t *testing.T, shell []byte) string {
	t.Helper()
	headers := []tar.Header{
		{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(shell))},
		{Name: "./bin/sh", Typeflag: tar.TypeSymlink, Linkname: "busybox"},
		{Name: "./bin/hard", Typeflag: tar.TypeLink, Mode: 0o755, Linkname: "./bin/busybox"},
		{Name: "./bin/setuid", Typeflag: tar.TypeReg, Mode: 0o4755},
		{Name: "./etc/", Typeflag: tar.TypeDir, Mode: 0o755, Uid: 3, Gid: 4},
		{Name: "./tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write(shell); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []io.Closer{w, zip} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// writeContext writes files into a folder, scripts as executables, and the link
// that one of the contexts has.
func writeContext(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	if strings.Contains(files["Dockerfile"], "link.txt") {
		if err := os.Symlink("a.txt", filepath.Join(dir, "link.txt")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOwnImageScripts runs the scripts over images of a user's own, which the
// real builders make here: in a daemon, and as files in $IMAGES. Their contexts
// are the folders of a repository in $REPO, at the commit $ID, which is served as
// $SOURCE; $LOCAL is the same without the server, $LATER a commit with a changed
// file.
func TestOwnImageScripts(t *testing.T) {
	docker, buildkit, buildah := builders.StartDocker(t), builders.StartBuildKit(t), builders.StartBuildah(t)
	server := gitserver.New(t)
	repo := server.Repository(t, "me/own", "sha1")
	for name, files := range ownContexts(t) {
		writeContext(t, filepath.Join(repo.Dir, name), files)
	}
	id := repo.Commit(nil)
	images := t.TempDir()
	docker.BuildClassic(t, "own/base", filepath.Join(repo.Dir, "base"))
	buildah.Build(t, "own/base", filepath.Join(repo.Dir, "base"))
	for _, name := range []string{"plain", "run", "child"} {
		dir := filepath.Join(repo.Dir, name)
		docker.BuildClassic(t, name+":classic", dir)
		docker.Save(t, name+":classic", filepath.Join(images, name+"-classic.tar"))
		docker.BuildKit(t, name+":bk", dir)
		docker.Save(t, name+":bk", filepath.Join(images, name+"-bk.tar"))
		buildah.Build(t, name, dir, "--layers")
		buildah.Push(t, name, "oci-archive:"+filepath.Join(images, name+"-buildah.tar"))
		buildah.Push(t, name, "docker-archive:"+filepath.Join(images, name+"-buildah-docker.tar:"+name+":1"))
		if name != "child" {
			buildkit.Build(t, dir, filepath.Join(images, name+"-buildkit.tar"), "")
		}
	}
	buildah.Build(t, "one-layer", filepath.Join(repo.Dir, "plain"))
	buildah.Push(t, "one-layer", "oci-archive:"+filepath.Join(images, "plain-one-layer.tar"))
	compress(t, filepath.Join(images, "plain-classic.tar"))
	renew(t, filepath.Join(images, "plain-buildkit.tar"), filepath.Join(images, "plain-new.tar"))
	cert := server.CertFile(t)
	later := repo.Commit(map[string]string{"plain/conf/app.conf": "other\n"})
	repo.Git("checkout", "-q", "--detach", id)
	runScripts(t, "testdata/own", func(e *testscript.Env) {
		for name, value := range map[string]string{"DOCKER_HOST": docker.Host, "SSL_CERT_FILE": cert,
			"IMAGES": images, "REPO": repo.Dir, "HOST": server.Host(),
			"ID": id, "SOURCE": repo.URL + "#" + id, "LATER": repo.URL + "#" + later, "LOCAL": repo.Dir + "#" + id} {
			e.Setenv(name, value)
		}
	})
}

// compress writes FILE.gz and FILE.zst.
func compress(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for ending, data := range map[string][]byte{".gz": zipped.Bytes(), ".zst": z.EncodeAll(data, nil)} {
		if err := os.WriteFile(file+ending, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// renew makes of an OCI archive what docker save writes since version 25: the
// same layout with a manifest.json that names its blobs.
func renew(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	blobs := map[string][]byte{}
	r, w := tar.NewReader(in), tar.NewWriter(out)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		blobs[h.Name] = data
		addEntry(t, w, *h, data)
	}
	var index struct{ Manifests []v1.Descriptor }
	decode(t, blobs["index.json"], &index)
	var m v1.Manifest
	decode(t, blobs[blobName(index.Manifests[0].Digest)], &m)
	saved := map[string]any{"Config": blobName(m.Config.Digest), "RepoTags": []string{"plain:new"}}
	layers := []string{}
	for _, l := range m.Layers {
		layers = append(layers, blobName(l.Digest))
	}
	saved["Layers"] = layers
	text, err := json.Marshal([]any{saved})
	if err != nil {
		t.Fatal(err)
	}
	addEntry(t, w, tar.Header{Name: "manifest.json", Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func blobName(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func addEntry(t *testing.T, w *tar.Writer, h tar.Header, data []byte) {
	t.Helper()
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
}
