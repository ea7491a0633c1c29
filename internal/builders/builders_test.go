package builders

import (
	"archive/tar"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// program is a context without a base image and without RUN.
var program = map[string]string{"Dockerfile": "FROM scratch\nCOPY hello /hello\nCMD [\"/hello\"]\n", "hello": "#!/bin/sh\n"}

func TestTheDockerEngineBuildsWithBothOfItsBuilders(t *testing.T) {
	d := StartDocker(t)
	context := Context(t, program)
	d.BuildClassic(t, "test/classic", context)
	d.BuildKit(t, "test/buildkit", context)
	for name, want := range map[string]string{"test/classic": "#(nop) COPY file:", "test/buildkit": "# buildkit"} {
		if got := d.Run(t, "history", "--no-trunc", name); !strings.Contains(got, want) {
			t.Errorf("%s: the history lacks %q:\n%s", name, want, got)
		}
		file := filepath.Join(t.TempDir(), "saved.tar")
		d.Save(t, name, file)
		if !slices.Contains(members(t, file), "manifest.json") {
			t.Errorf("%s: no manifest.json in what docker save wrote", name)
		}
	}
}

func TestBuildKitBuildsTheSameBytesTwice(t *testing.T) {
	b := StartBuildKit(t)
	context := Context(t, program)
	var images [2]string
	for i := range images {
		file := filepath.Join(t.TempDir(), "oci.tar")
		b.Build(t, context, file, "1460000000")
		for _, name := range members(t, file) {
			if strings.HasPrefix(name, "blobs/") {
				images[i] += name + "\n"
			}
		}
	}
	if images[0] != images[1] || images[0] == "" {
		t.Errorf("first:\n%s\nsecond:\n%s", images[0], images[1])
	}
}

func TestBuildahBuildsAnOCIArchive(t *testing.T) {
	b := StartBuildah(t)
	b.Build(t, "test", Context(t, program), "--layers", "--timestamp", "0")
	file := filepath.Join(t.TempDir(), "oci.tar")
	b.Push(t, "test", "oci-archive:"+file)
	if !slices.Contains(members(t, file), "index.json") {
		t.Error("no index.json in the archive")
	}
}

func members(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var names []string
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}
