package verify

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/builders"
)

// childCases are Dockerfiles on an image that has a user, a working directory, a
// directory and a variable.
var childCases = []builtCase{
	{"a file", "COPY a /", ""},
	{"nothing but settings", "LABEL a=b\nUSER 0\nCMD [\"/a\"]", ""},
	{"what only the base knows", "ENV Q=$FROM_BASE:2 PATH=$PATH:/x\nWORKDIR sub\nCOPY a ./$FROM_BASE/", ""},
	{"a file and a directory that are there", "COPY a /etc/passwd\nCOPY a /\nWORKDIR /srv/app\nCOPY dir /etc/", ""},
	{"from the base itself", "COPY --from=own/base:1 /etc/passwd /copied", ""},
	{"from a stage on the base", "FROM own/base:1 AS tool\nCOPY a /tool\nFROM own/base:1\nCOPY --from=tool /tool /etc/passwd /t/", ""},
	{"triggers of its own", "ONBUILD COPY a /\nVOLUME /v", ""},
}

func (c builtCase) childContext(t *testing.T) string {
	t.Helper()
	return builders.Context(t, map[string]string{"Dockerfile": "FROM own/base:1\n" + c.directives + "\n", "a": "a\n", "dir/b": "#!/b\n"})
}

const baseDirectives = "ENV FROM_BASE=f\nCOPY a /etc/passwd\nCOPY dir /srv/app/\nWORKDIR /srv/app\nUSER 7\nLABEL of=base\nCMD [\"x\"]"

// TestImagesAreRebuiltOnAGivenBase assembles them without the image that
// BuildKit makes, and compares the manifests.
func TestImagesAreRebuiltOnAGivenBase(t *testing.T) {
	b := builders.StartBuildKit(t)
	dir := t.TempDir()
	base := filepath.Join(dir, "base.tar")
	b.Build(t, builtCase{directives: baseDirectives}.context(t), base, strconv.Itoa(builtEpoch-5))
	layout := filepath.Join(dir, "base")
	if out, err := exec.Command("sh", "-c", "mkdir "+layout+" && tar -xf "+base+" -C "+layout).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	on := map[string]string{"own/base:1": "oci-archive:" + base}
	digest := *verifyOne(t, "oci-archive:"+base, Options{Offline: true, Requirements: Requirements{Only: []string{"image.digests"}}}).Digest
	for _, c := range childCases {
		t.Run(c.name, func(t *testing.T) {
			context, file := c.childContext(t), filepath.Join(t.TempDir(), "child.tar")
			b.Build(t, context, file, strconv.Itoa(builtEpoch), "--oci-layout", "base="+layout, "--opt", "context:own/base:1=oci-layout://base@"+digest)
			want := *verifyOne(t, "oci-archive:"+file, Options{Offline: true, Requirements: Requirements{Only: []string{"image.digests"}}}).Digest
			o := Options{Platform: "linux/amd64", Offline: true, Bases: on}
			got := rebuildOne(t, context, o, RebuildOptions{Created: time.Unix(builtEpoch, 0)})
			if got.report.Output.Digest != want {
				t.Errorf("assembled %s, BuildKit's is %s: %+v", got.report.Output.Digest, want, got.config)
			}
			o.Bases = nil
			plan, err := Rebuild(t.Context(), context, o, RebuildOptions{Created: time.Unix(builtEpoch, 0), Plan: true})
			if err != nil || !plan.Refused() || !slices.ContainsFunc(plan.Plan, func(s PlannedStep) bool { return s.Line == 0 && s.Reason == "base-unknown" }) {
				t.Errorf("without the base: %+v, %v", plan, err)
			}
		})
	}
}

// TestNothingIsRebuiltOnABaseWhoseBytesAreNotItsDigests changes one byte of each
// blob of a base.
func TestNothingIsRebuiltOnABaseWhoseBytesAreNotItsDigests(t *testing.T) {
	empty := builders.Context(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a /\n", "a": "a\n"})
	o, created := Options{Platform: "linux/amd64", Offline: true}, time.Unix(builtEpoch, 0)
	layout := filepath.Join(t.TempDir(), "base")
	if _, err := Rebuild(t.Context(), empty, o, RebuildOptions{Created: created, To: layout}); err != nil {
		t.Fatal(err)
	}
	o.Bases = map[string]string{"own/base:1": "oci:" + layout}
	child := builtCase{directives: "COPY a /b"}.childContext(t)
	blobs, err := filepath.Glob(filepath.Join(layout, "blobs", "sha256", "*"))
	if err != nil || len(blobs) != 3 {
		t.Fatal(blobs, err)
	}
	for _, file := range blobs {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		damaged := slices.Clone(data)
		damaged[len(damaged)-2] ^= 1
		write := func(data []byte) {
			if err := os.WriteFile(file, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		write(damaged)
		to := filepath.Join(t.TempDir(), "out")
		_, err = Rebuild(t.Context(), child, o, RebuildOptions{Created: created, To: to})
		if err == nil || !strings.Contains(err.Error(), filepath.Base(file)[:12]) {
			t.Errorf("%s changed: %v", file, err)
		}
		if _, err := os.Lstat(to); err == nil {
			t.Errorf("%s changed, and an image was written", file)
		}
		write(data)
	}
	rebuildOne(t, child, o, RebuildOptions{Created: created})
}
