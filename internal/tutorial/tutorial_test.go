package tutorial

import (
	"path/filepath"
	"testing"

	"github.com/imageverify/verify/internal/builders"
)

func TestEveryVariantIsBuiltWithThePackagesOfTheServer(t *testing.T) {
	b := builders.StartBuildKit(t)
	for name, files := range Contexts(t, NewServer(t)) {
		dir := builders.Context(t, files)
		b.Run(t, "build", "--progress=plain", "--no-cache", "--frontend=dockerfile.v0",
			"--local", "context="+dir, "--local", "dockerfile="+dir, "--output", "type=oci,dest="+filepath.Join(t.TempDir(), name+".tar"))
	}
}
