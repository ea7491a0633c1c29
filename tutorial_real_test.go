package verify

import (
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/internal/corpus"
	tutorials "github.com/imageverify/verify/internal/tutorial"
	"github.com/imageverify/verify/rebuild"
	"github.com/imageverify/verify/rebuild/buildkit"
)

// TestTheTutorialsImagesWithRealPackageManagersAreReproduced builds with apt-get
// and dpkg of Debian and apk of Alpine, whose logs, lists and databases are
// theirs.
func TestTheTutorialsImagesWithRealPackageManagersAreReproduced(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	b := builders.StartBuildKit(t)
	contexts := tutorials.Contexts(t, tutorials.NewServer(t))
	pool, err := buildkit.New([]string{b.Address}, buildkit.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		level  Level
		causes []string
	}{
		{"joined", Different, []string{"noise package-log", "unsteady unsteady-content"}},
		{"cleaned", SameDigest, nil},
		{"alpine", SameDigest, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			context, archive := builders.Context(t, contexts[c.name]), filepath.Join(t.TempDir(), "image.tar")
			b.Run(t, "build", "--progress=plain", "--no-cache", "--frontend=dockerfile.v0", "--local", "context="+context, "--local", "dockerfile="+context,
				"--opt", "build-arg:SOURCE_DATE_EPOCH="+strconv.Itoa(builtEpoch), "--output", "type=oci,rewrite-timestamp=true,dest="+archive)
			r, err := Reproduce(t.Context(), "oci-archive:"+archive, Options{Platform: "linux/amd64", Offline: true, Given: Given{Context: context},
				Builder: pool, Building: Building{Asked: true, Network: rebuild.NetworkDefault}}, ReproduceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s  %s", r.Rebuild.Level, layerSizes(r))
			if got := slices.Sorted(slices.Values(kindsAndNames(r))); r.Rebuild.Level != c.level || !slices.Equal(got, c.causes) {
				t.Errorf("level %s with the causes %q, want %s with %q\n%+v", r.Rebuild.Level, got, c.level, c.causes, r.Differences)
			}
		})
	}
}
