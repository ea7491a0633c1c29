package output_test

import (
	"strings"
	"time"

	"github.com/imageverify/verify"
)

// history is an image whose history is laid beside its Dockerfile, with a row
// of each kind.
func history() *verify.Report {
	entry := func(i int, text string, empty bool) *verify.HistoryEntry {
		return &verify.HistoryEntry{Index: i, CreatedBy: text, EmptyLayer: empty, Created: ptr(time.Date(2024, 9, 6, 12, 5, i, 0, time.UTC))}
	}
	directive := func(line, end int, name, text string) *verify.HistoryDirective {
		return &verify.HistoryDirective{Line: line, EndLine: end, Instruction: name, Text: text}
	}
	trigger := directive(1, 1, "COPY", "COPY . /app")
	trigger.Trigger = true
	run := "apt-get update && apt-get install -y --no-install-recommends ca-certificates curl && rm -rf /var/lib/apt/lists/*"
	img := image(verify.Failed, "linux/amd64", digest1, failed().Images[0].Findings[4])
	img.History = []verify.HistoryRow{
		{Status: "base", Entry: entry(0, "/bin/sh -c #(nop) ADD file:"+strings.Repeat("ab", 32)+" in / ", false), Layer: &verify.HistoryLayer{Digest: digest2, Size: 3_600_000, DiffID: digest3}},
		{Status: "matched", How: "exact", Directive: trigger, Entry: entry(1, "/bin/sh -c #(nop) COPY dir:"+strings.Repeat("cd", 32)+" in /app ", false), Layer: &verify.HistoryLayer{Index: 1, Digest: digest3, Size: 512}},
		{Status: "matched", How: "white-space", Directive: directive(2, 4, "RUN", "RUN "+strings.ReplaceAll(run, " && ", "  \t&& ")), Entry: entry(2, "/bin/sh -c "+run, false),
			Layer: &verify.HistoryLayer{Index: 2, Digest: digest1, Size: 41_000_000}},
		{Status: "no-entry", Directive: directive(5, 5, "ONBUILD", "ONBUILD RUN make")},
		{Status: "differs", Directive: directive(6, 6, "ENV", "ENV VERSION=1.2.3"), Entry: entry(3, "/bin/sh -c #(nop)  ENV VERSION=6.6.6", true), Want: "/bin/sh -c #(nop)  ENV VERSION=1.2.3",
			Diff: &verify.TextDiff{Column: 32, Before: "/bin/sh -c #(nop)  ENV ", Want: "VERSION=1.2.3", Got: "VERSION=6.6.6"}},
		{Status: "missing", Directive: directive(7, 7, "USER", "USER app"), Want: "/bin/sh -c #(nop)  USER app"},
		{Status: "unexplained", Entry: entry(4, "", true)},
		{Status: "unjudged", Entry: entry(5, "a status of its own", true)},
	}
	img.History[6].Entry.Comment, img.History[6].Entry.Author = "merged by hand", "A. Hand"
	img.History[4].Diff.After = " # end"
	img.Findings = append(img.Findings, verify.Finding{Check: "history.config", Status: verify.Unknown, Reason: "base-unknown", Evidence: evidence(), Summary: "the base is not known", Details: &verify.Details{Builder: "ko", AlsoMatches: []string{"a", "b", "c", "d", "e"},
		Nearest: &verify.NearestEntry{Tags: []string{"2", "2.1", "two", "latest", "more"}, Repository: "https://git.test/app.git", Commit: "c0", Directory: "2", File: "Dockerfile",
			LibraryCommit: "11b", Merged: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), InForce: true}}})
	return report(img)
}
