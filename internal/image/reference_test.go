package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someDigest = "sha256:029a752048e32e843bd6defe3841186fb8d19a28dae8ec287f433bb9d6d1ad85"

func TestRegistryReferences(t *testing.T) {
	for _, c := range []struct{ given, name, digest string }{
		{"ubuntu:16.04", "docker.io/library/ubuntu:16.04", ""},
		{"ubuntu", "docker.io/library/ubuntu:latest", ""},
		{"docker://ubuntu:16.04", "docker.io/library/ubuntu:16.04", ""},
		{"docker.io/ubuntu:16.04", "docker.io/library/ubuntu:16.04", ""},
		{"index.docker.io/library/ubuntu:16.04", "docker.io/library/ubuntu:16.04", ""},
		{"registry-1.docker.io/ubuntu:16.04", "docker.io/library/ubuntu:16.04", ""},
		{"registry-1.docker.io/library/ubuntu", "docker.io/library/ubuntu:latest", ""},
		{"bitnami/redis:7", "docker.io/bitnami/redis:7", ""},
		{"localhost:5000/a/b/c:1", "localhost:5000/a/b/c:1", ""},
		{"ghcr.io/a/b", "ghcr.io/a/b:latest", ""},
		{"GHCR.io/a/b", "ghcr.io/a/b:latest", ""},
		{"ubuntu@" + someDigest, "docker.io/library/ubuntu", someDigest},
		{"ubuntu:16.04@" + someDigest, "docker.io/library/ubuntu:16.04", someDigest},
		{"127.0.0.1:5000/x@" + someDigest, "127.0.0.1:5000/x", someDigest},
	} {
		ref, err := parseRegistry(c.given)
		if err != nil {
			t.Errorf("%s: %v", c.given, err)
			continue
		}
		digest := ""
		if ref.digest.Hex != "" {
			digest = ref.digest.String()
		}
		if ref.name() != c.name || digest != c.digest {
			t.Errorf("%s: name %s, digest %q; want %s, %q", c.given, ref.name(), digest, c.name, c.digest)
		}
	}
}

func TestWhatIsNotARegistryReference(t *testing.T) {
	for _, c := range []struct{ given, problem string }{
		{"", "not an image reference"},
		{"Ubuntu:16.04", "not an image reference: repository can only contain"},
		{"ubuntu:", "not an image reference"},
		{"ubuntu:a b", "not an image reference: tag can only contain"},
		{"https://docker.io/library/ubuntu", "a reference has no URL scheme"},
		{"docker://https://x/y", "a reference has no URL scheme"},
		{"127.0.0.1:5000/../../etc:1", "each part of a repository's path"},
		{"127.0.0.1:5000/a//b", "each part of a repository's path"},
		{"ubuntu@sha256:12", "what follows @ is not a digest"},
		{"ubuntu@", "what follows @ is not a digest"},
		{"ubuntu@" + someDigest + "@" + someDigest, "what follows @ is not a digest"},
	} {
		_, err := parseRegistry(c.given)
		if err == nil || !strings.Contains(err.Error(), c.problem) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want a line with %q", c.given, err, c.problem)
		}
	}
}

func TestOtherToolsTransportsAreRefused(t *testing.T) {
	_, err := Open(t.Context(), "containers-storage:x", Options{})
	wantError(t, err, "containers-storage:x: containers-storage: is not supported",
		"save the image and write oci:DIRECTORY, oci-archive:FILE or docker-archive:FILE")
}

func TestAPathGivenAsAReferenceGetsAHint(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, ".", map[string][]byte{"Dir/x": nil})
	_, err := Open(t.Context(), "./Dir", Options{})
	if hint := err.(*ReferenceError).Hint(); hint != "for the OCI layout in that directory write oci:./Dir" {
		t.Errorf("hint %q", hint)
	}
	_, err = Open(t.Context(), "./Dir/x", Options{})
	if hint := err.(*ReferenceError).Hint(); hint != "for a tar archive of an OCI layout write oci-archive:./Dir/x, for one of docker save docker-archive:./Dir/x" {
		t.Errorf("hint %q", hint)
	}
}

func TestALayoutsPathEndsAtTheFirstDelimiterAfterADirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"plain", "with:colon", "with@at", "a:b@c", "deep/er"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ given, path, ref, digest string }{
		{"oci:plain", "plain", "", ""},
		{"oci:plain:3.20", "plain", "3.20", ""},
		{"oci:plain:alpine:3.20", "plain", "alpine:3.20", ""},
		{"oci:plain:host:5000/a@b", "plain", "host:5000/a@b", ""},
		{"oci:plain@" + someDigest, "plain", "", someDigest},
		{"oci:with:colon", "with:colon", "", ""},
		{"oci:with:colon:1", "with:colon", "1", ""},
		{"oci:with@at:1", "with@at", "1", ""},
		{"oci:a:b@c@" + someDigest, "a:b@c", "", someDigest},
		{"oci:deep/er:1", "deep/er", "1", ""},
		{"oci:deep/er/", "deep/er/", "", ""},
	} {
		ref, err := parseLocal(c.given, KindLayout)
		digest := ""
		if ref.digest.Hex != "" {
			digest = ref.digest.String()
		}
		if err != nil || ref.path != c.path || ref.ref != c.ref || digest != c.digest {
			t.Errorf("%s: path %q ref %q digest %q (%v), want %q %q %q", c.given, ref.path, ref.ref, digest, err, c.path, c.ref, c.digest)
		}
	}
}

func TestWhatIsNotALocalReference(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, ".", map[string][]byte{"dir/file": nil})
	for _, c := range []struct{ given, message, hint string }{
		{"oci:", "oci:: names no path", ""},
		{"oci:gone:1", `oci:gone:1: there is no directory "gone"`, ""},
		{"oci-archive:gone.tar", `oci-archive:gone.tar: there is no file "gone.tar"`, ""},
		{"oci:dir/file", "oci:dir/file: is not a directory", "for a tar archive write oci-archive:dir/file or docker-archive:dir/file"},
		{"oci-archive:dir:1", "oci-archive:dir:1: is a directory", "for a layout directory write oci:dir"},
		{"oci-archive:/dev/null", "oci-archive:/dev/null: is not a regular file", ""},
		{"oci:dir:", "oci:dir:: nothing follows the last ':'", ""},
		{"oci:dir@", "oci:dir@: nothing follows the last '@'", ""},
		{"oci:dir@abc", "oci:dir@abc: what follows @ is not a digest", "a digest is sha256: and 64 hexadecimal digits"},
	} {
		_, err := openFor(t, c.given, Options{})
		wantError(t, err, c.message, c.hint)
	}
	if _, err := os.Stat(filepath.Join("dir", "file")); err != nil {
		t.Error(err)
	}
}

// The law: parsing never panics; an accepted reference's full name parses to
// itself, and names one path on the registry.
func FuzzRegistryReference(f *testing.F) {
	for _, seed := range []string{"ubuntu:16.04", "docker://a/b@" + someDigest, "localhost:5000/a/b:1", "a:b@c", "[::1]:5000/x",
		"registry-1.docker.io/x", "x/../y", "http://x/y", ":", "@", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, given string) {
		ref, err := parseRegistry(given)
		if err != nil {
			return
		}
		name := ref.name()
		if ref.tag == "" {
			name += "@" + ref.digest.String()
		}
		again, err := parseRegistry(name)
		again.digest = ref.digest
		if err != nil || again != ref {
			t.Fatalf("%q is %q, which is %+v, %v", given, name, again, err)
		}
		if !isRepositoryPath(ref.repository) {
			t.Fatalf("%q has the path %q", given, ref.repository)
		}
	})
}
