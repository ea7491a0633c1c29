package demo

import (
	"context"
	"fmt"

	"github.com/imageverify/verify"
)

// Rebuild is one image of the demo with what building it again must come to.
type Rebuild struct {
	// Reference is what is built again; Title says what it is.
	Reference, Title string
	// Level is the right level; Cause and Path are the first cause that must
	// stand behind a level that is not the best, and what it touches.
	Level       verify.Level
	Cause, Path string
}

// RebuildResult is a rebuild with the report over it.
type RebuildResult struct {
	Rebuild Rebuild
	Report  *verify.ReproduceReport
}

// Level is the level that was reached; NoLevel where nothing was rebuilt.
func (r RebuildResult) Level() verify.Level {
	if r.Report.Rebuild == nil {
		return verify.NoLevel
	}
	return r.Report.Rebuild.Level
}

// rebuilds are shown in this order.
var rebuilds = []Rebuild{
	{name + ":buildkit", "an image as BuildKit makes it", verify.SameDigest, "", ""},
	{name + ":changed-file", "one file of the layer is changed, every digest recomputed", verify.Different, "content", "etc/passwd"},
}

// Wrong says in a sentence how the report misjudges the rebuild; "" when it does
// not.
func (r RebuildResult) Wrong() string {
	level, causes := r.Level(), r.Report.Causes
	switch {
	case level != r.Rebuild.Level:
		return fmt.Sprintf("%s is rebuilt to the level %q; it is %s", r.Rebuild.Reference, level, r.Rebuild.Level)
	case (r.Report.Verdict == verify.Verified) != (level == verify.SameDigest):
		return fmt.Sprintf("%s is judged %s at the level %s", r.Rebuild.Reference, r.Report.Verdict, level)
	case r.Rebuild.Cause == "" && len(causes) == 0:
		return ""
	case len(causes) != 1 || causes[0].Name != r.Rebuild.Cause || len(causes[0].Examples) != 1 || causes[0].Examples[0] != r.Rebuild.Path:
		return fmt.Sprintf("%s differs, but not by %s of %s alone", r.Rebuild.Reference, r.Rebuild.Cause, r.Rebuild.Path)
	}
	return ""
}

// RunRebuilds makes everything in a temporary directory, builds each image again
// from its source, in process, and hands the results to show, one by one.
func RunRebuilds(ctx context.Context, version string, show func(RebuildResult) error) error {
	return inWorld(func(w *world) error {
		for _, c := range rebuilds {
			report, err := verify.Reproduce(ctx, c.Reference, w.options(version), verify.ReproduceOptions{})
			if err != nil {
				return fmt.Errorf("demo: %s: %w", c.Reference, err)
			}
			if err := show(RebuildResult{c, report}); err != nil {
				return err
			}
		}
		return nil
	})
}
