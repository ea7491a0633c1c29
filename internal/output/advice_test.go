package output_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
)

func TestEveryReasonOfTheChecksHasAdvice(t *testing.T) {
	// What to do about these is what the finding that they follow from says.
	silent := map[string]bool{"no-dockerfile": true, "unreadable": true}
	for _, c := range verify.Checks() {
		if c.Fix != "" {
			continue // each finding says itself what to write instead
		}
		for _, reason := range slices.Concat(c.Fails, c.Others) {
			if got := steps(t, reason); (got == "") != silent[reason] {
				t.Errorf("%s: %s: advice.go says %q", c.ID, reason, got)
			}
		}
	}
}

// steps is what the text says under "what to do next" about a reason.
func steps(t *testing.T, reason string) string {
	t.Helper()
	r := report(image(verify.Incomplete, "linux/amd64", digest1, verify.Finding{Check: "x.y", Status: verify.Unknown, Reason: reason, Summary: "s"}))
	_, after, _ := strings.Cut(string(render(t, output.Text, r, output.Style{})), "what to do next\n")
	return strings.TrimPrefix(strings.TrimSpace(after), "- ")
}

func TestAdviceNamesWhatTheReportKnows(t *testing.T) {
	for reason, want := range map[string]string{
		"mutable-tag":   "pin it: NAME@DIGEST",
		"source-absent": "give a complete copy of the repository: --git-mirror " + repository + "=PATH, or the file that is missing: --object FILE",
		"needs-chown":   "a rebuild would prove it; to let it stand unproved: --accept needs-chown",
		"superseded":    "pull the tag again, or rebuild from the entry in force: -v names it",
		"of-the-future": "",
		"":              "",
	} {
		if got := steps(t, reason); got != want {
			t.Errorf("%s: %q, want %q", reason, got, want)
		}
	}
	text := string(render(t, output.Text, platforms(), output.Style{}))
	for _, want := range []string{"\n  - pin it: distro@" + digest3 + "\n", "\n  - pull the tag again, or rebuild from the entry in force: " + repository + "#" + commitB + ":x86_64/Dockerfile\n"} {
		if n := strings.Count(text, want); n != 1 {
			t.Errorf("%d times %q", n, want)
		}
	}
}

func TestAdviceLeavesOutWhatWasAccepted(t *testing.T) {
	r := incomplete()
	text := string(render(t, output.Text, r, output.Style{}))
	if strings.Contains(text, "ask the distributor") {
		t.Error("advises on list-absent, which was accepted")
	}
	for _, want := range []string{"accepted: distro.tar.gz: ", "\n  accepted    rootfs.checksum (list-absent)\n", "\n  because     layer.content (run-unproved)\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
