// Package demo makes small images, the git repositories they come from, and
// tampered twins of them, to show and to try what the product judges. It needs
// neither network nor socket: its registry is an http.RoundTripper.
package demo

import (
	"context"
	"fmt"
	"os"

	"github.com/imageverify/verify"
)

// Case is one image of the demo with the judgement it must get.
type Case struct {
	// Reference is what is verified; Title says what it is.
	Reference, Title string
	// Verdict is the right judgement; Check and Reason are the finding that
	// must stand behind a failure.
	Verdict       verify.Verdict
	Check, Reason string
}

// Result is a case with the report over it.
type Result struct {
	Case   Case
	Report *verify.Report
}

// Wrong says in a sentence how the report misjudges the case; "" when it does
// not.
func (r Result) Wrong() string {
	if r.Report.Verdict != r.Case.Verdict {
		return fmt.Sprintf("%s is judged %s; it is %s", r.Case.Reference, r.Report.Verdict, r.Case.Verdict)
	}
	if r.Case.Check == "" {
		return ""
	}
	for _, f := range r.Report.Images[0].Findings {
		if f.Check == r.Case.Check && f.Status == verify.Fail && f.Reason == r.Case.Reason {
			return ""
		}
	}
	return fmt.Sprintf("%s fails, but not by %s (%s)", r.Case.Reference, r.Case.Check, r.Case.Reason)
}

// Run makes everything in a temporary directory, verifies each case and hands
// the results to show, one by one.
func Run(ctx context.Context, version string, show func(Result) error) error {
	return inWorld(func(w *world) error {
		for _, c := range cases {
			report, err := verify.Verify(ctx, []string{c.Reference}, w.options(version))
			if err != nil {
				return fmt.Errorf("demo: %s: %w", c.Reference, err)
			}
			if err := show(Result{Case: c, Report: report}); err != nil {
				return err
			}
		}
		return nil
	})
}

// inWorld makes everything in a temporary directory, which is there while use
// runs.
func inWorld(use func(*world) error) error {
	dir, err := os.MkdirTemp("", "verify-demo-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w, err := newWorld(dir)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return use(w)
}

const name = "verify-demo"

// cases are shown in this order.
var cases = []Case{
	{name + ":buildkit", "an image as BuildKit makes it", verify.Verified, "", ""},
	{name + ":classic", "an image as the classic Docker builder makes it", verify.Verified, "", ""},
	{name + ":changed-file", "one file of the layer is changed, every digest recomputed", verify.Failed, "layer.content", "content-differs"},
	{name + ":forged-history", "the history tells of another command", verify.Failed, "history.directives", "text-differs"},
	{name + ":replaced-tarball", "the tarball in git is replaced under its old object name", verify.Failed, "layer.content", "object-mismatch"},
	{name + ":moved-tag", "the tag points to the image of another release", verify.Failed, "trace.origin", "text-differs"},
}
