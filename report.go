package verify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

// SchemaVersion is the version of the report's JSON form. Within a version
// fields are added, never renamed.
const SchemaVersion = 1

// Report is the result of one run over one or more references.
type Report struct {
	// SchemaVersion is the version of this form.
	SchemaVersion int `json:"schemaVersion"`
	// Program is what wrote the report.
	Program Program `json:"verify"`
	// Reference is the first reference as it was given; References lists all
	// of them where there are several.
	Reference  string   `json:"reference"`
	References []string `json:"references,omitempty"`
	// Verdict is the judgement over all images.
	Verdict Verdict `json:"verdict"`
	// Images are in index order, references in the order given.
	Images []Image `json:"images"`
	// Errors names the references that could not be opened, where others could.
	Errors []RunError `json:"errors,omitempty"`
	// Timings say how long the run took.
	Timings Timings `json:"timings"`
}

// Program names the program that wrote the report.
type Program struct {
	// Version is the program's version.
	Version string `json:"version"`
}

// RunError says why a reference could not be verified at all.
type RunError struct {
	// Code is stable and in kebab-case (docs/exit-codes.md lists them).
	Code string `json:"code"`
	// Message is one line.
	Message string `json:"message"`
	// Hint says what would mend it; "" where nothing is known.
	Hint string `json:"hint,omitempty"`
	// Input is the reference or value that the error is about.
	Input string `json:"input"`
	err   error
}

// Error gives the message.
func (e *RunError) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *RunError) Unwrap() error { return e.err }

// Image is what was found out about one image: one platform of one reference.
type Image struct {
	// Reference is the reference that led to the image, as given.
	Reference string `json:"reference"`
	// Name is the name that the image was traced under, NameSource who gave it:
	// flag, reference, or image for a name that only the image itself carries.
	Name       string `json:"name,omitempty"`
	NameSource string `json:"nameSource,omitempty"`
	// Digest is the manifest's digest; null where there is no manifest.
	Digest *string `json:"digest"`
	// ImageID is the config's digest.
	ImageID string `json:"imageID"`
	// Platform is "os/architecture[/variant]"; null where it is not known.
	Platform *string `json:"platform"`
	// Created is the time that the config claims; null where it claims none.
	Created *time.Time `json:"created,omitempty"`
	// Verdict is the judgement over this image.
	Verdict Verdict `json:"verdict"`
	// Origin is null where no origin was found or claimed.
	Origin *Origin `json:"origin"`
	// Rebuild says how much of the image follows from its source, and how near
	// an image that was assembled from it comes; absent where the layers were
	// not compared.
	Rebuild *Rebuilt `json:"rebuild,omitempty"`
	// Base is the image that the Dockerfile builds on; absent where it builds on
	// nothing, or where no Dockerfile matched.
	Base *Base `json:"base,omitempty"`
	// Inputs are the other images that the build reads from: those of stages that
	// are copied from, and those that are copied or mounted from.
	Inputs []Input `json:"inputs,omitempty"`
	// Findings are in the order of docs/checks.md.
	Findings []Finding `json:"findings"`
	// History is the image's history beside the Dockerfile's directives, where
	// it was asked for.
	History []HistoryRow `json:"history,omitempty"`
	// Signatures are the image's manifest and the indexes that led to it,
	// innermost first, with what is attached to each, where that was asked for;
	// absent for an image without a manifest.
	Signatures []SignedSubject `json:"signatures,omitempty"`
}

// Finding is one check's result over one image.
type Finding struct {
	// Check is the check's id, Status its outcome.
	Check  string `json:"check"`
	Status Status `json:"status"`
	// Reason is a stable code in kebab-case for every status but pass;
	// docs/checks.md lists them.
	Reason string `json:"reason,omitempty"`
	// Summary is one line for a person; foreign text in it is not yet escaped.
	Summary string `json:"summary"`
	// Required says that the verdict rests on this check; Accepted that the
	// user accepts its reason.
	Required bool `json:"required"`
	Accepted bool `json:"accepted,omitempty"`
	// Evidence is what the finding rests on.
	Evidence []Evidence `json:"evidence"`
	// Details are facts that programs may want.
	Details *Details `json:"details,omitempty"`
}

// Evidence is what a finding rests on, so that it can be repeated by hand.
type Evidence struct {
	// Kind says what Value is: url, git, digest, key, file or line.
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// Details are the facts of a finding that programs may want; which fields a
// check sets is told in docs/output.md.
type Details struct {
	// Parts are the finding's parts, worst first.
	Parts []Part `json:"parts,omitempty"`
	// Independent is false where a checksum list comes from the same commit as
	// the file it speaks of: such a pass is shown as "consistent".
	Independent *bool `json:"independent,omitempty"`
	// NotIndependent is the reason why the distributor's own list, which would
	// make it so, was not read.
	NotIndependent string `json:"notIndependent,omitempty"`
	// Bytes and Files count the uncompressed content of the image's layers.
	Bytes *Coverage `json:"bytes,omitempty"`
	Files *Coverage `json:"files,omitempty"`
	// Pin is the reference with its digest.
	Pin string `json:"pin,omitempty"`
	// Newer is the library entry in force, Behind how many entries the image's
	// is behind it.
	Newer  *Claim `json:"newer,omitempty"`
	Behind int    `json:"behind,omitempty"`
	// Variant names the way of stamping files that a content hash matched.
	Variant string `json:"variant,omitempty"`
	// Builder is the program that made the image, by its own account, where
	// that is one that reads no Dockerfile.
	Builder string `json:"builder,omitempty"`
	// AlsoMatches are other directories of the origin's commit whose Dockerfile
	// gives the same history.
	AlsoMatches []string `json:"alsoMatches,omitempty"`
	// Nearest is an entry of the library whose Dockerfile does give the image's
	// history, where the one that was judged does not.
	Nearest *NearestEntry `json:"nearest,omitempty"`
	// Holes are variables that only the base image knows.
	Holes []string `json:"holes,omitempty"`
	// Candidates are the origins that were tried, in order.
	Candidates []Attempt `json:"candidates,omitempty"`
	// SameAs is the commit that the finding was judged on, where it is not the
	// origin's: files of the origin are absent.
	SameAs *SameAs `json:"sameAs,omitempty"`
	// Counts are differences by class.
	Counts map[string]int `json:"counts,omitempty"`
	// Cached says that the answer rests on an earlier run's reading of bytes
	// with these digests.
	Cached bool `json:"cached,omitempty"`
}

// NearestEntry is an entry of the official library.
type NearestEntry struct {
	// Tags are the entry's.
	Tags []string `json:"tags"`
	// Repository, Commit, Directory and File name its Dockerfile.
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
	Directory  string `json:"directory"`
	File       string `json:"file"`
	// LibraryCommit is the newest commit of the library that has the entry in its
	// file's newest version there, Merged its time; InForce says that the library
	// still has it.
	LibraryCommit string    `json:"libraryCommit"`
	Merged        time.Time `json:"merged"`
	InForce       bool      `json:"inForce"`
}

// Part is one part of a finding: a layer, an entry of history, a claim.
type Part struct {
	// Name says which part: "layer 1", "entry 3", "Dockerfile:2".
	Name string `json:"name"`
	// Status, Reason and Summary are as in a finding.
	Status  Status `json:"status"`
	Reason  string `json:"reason,omitempty"`
	Summary string `json:"summary"`
}

// Coverage says how much of something is proved from source, comes from a
// verified base image, or follows from nothing checked.
type Coverage struct {
	// Proved, Base and Unproved are the three amounts.
	Proved   int64 `json:"proved"`
	Base     int64 `json:"base"`
	Unproved int64 `json:"unproved"`
}

// Total is the sum of the parts.
func (c Coverage) Total() int64 { return c.Proved + c.Base + c.Unproved }

func (c *Coverage) add(more Coverage) {
	c.Proved += more.Proved
	c.Base += more.Base
	c.Unproved += more.Unproved
}

// Attempt is one origin that was tried.
type Attempt struct {
	// Repository, Commit and Directory name the origin.
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
	Directory  string `json:"directory,omitempty"`
	// Outcome is matched or the reason it is not the origin.
	Outcome string `json:"outcome"`
}

// SameAs is a commit whose directory is, as far as can be told, the same as the
// origin's: its Dockerfile matches the image, and so does what is named here.
type SameAs struct {
	// Repository is the origin's URL.
	Repository string `json:"repository"`
	// Commit is the commit that was judged, a full id in hex.
	Commit string `json:"commit"`
	// Directory is the build context in it, and File the Dockerfile there.
	Directory string `json:"directory,omitempty"`
	File      string `json:"file"`
	// Serial is the date of the distributor's build, by the library's tags for
	// the origin and by the commit itself.
	Serial string `json:"serial,omitempty"`
	// Content says that every content hash in history is that of the commit's
	// files.
	Content bool `json:"content"`
}

// Timings says how long a run took, in all and by stage.
type Timings struct {
	// Total is the whole run's time, Stages the time by stage; stages of
	// several images add up.
	Total  Duration            `json:"total"`
	Stages map[string]Duration `json:"stages"`
}

// Duration is a time span that is written as seconds with a unit: "0.41s".
type Duration time.Duration

// MarshalText writes seconds with two decimals.
func (d Duration) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%.2fs", time.Duration(d).Seconds()), nil
}

// UnmarshalText reads what MarshalText writes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Status is the outcome of one check.
type Status int

// The statuses from best to worst. Unknown means that the check could not be
// made; it is never success.
const (
	Pass Status = iota
	Warn
	Unknown
	Fail
)

var statusNames = [...]string{"pass", "warn", "unknown", "fail"}

// String gives the status as JSON has it.
func (s Status) String() string {
	if s < Pass || s > Fail {
		return fmt.Sprintf("status(%d)", int(s))
	}
	return statusNames[s]
}

// MarshalText writes the status's name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the status's name.
func (s *Status) UnmarshalText(text []byte) error {
	for i, name := range statusNames {
		if name == string(text) {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("no such status: %q", text)
}

// worstFirst orders statuses for slices.SortFunc: fail, unknown, warn, pass.
func worstFirst(s, t Status) int { return cmp.Compare(t, s) }

// Verdict is the judgement over an image or a run.
type Verdict string

// The verdicts.
const (
	Verified   Verdict = "verified"   // every required check passes
	Failed     Verdict = "failed"     // some check fails, required or not
	Incomplete Verdict = "incomplete" // nothing fails, but a required check is unknown or warns
)

// ReadReport reads a report back from its JSON form.
func ReadReport(data []byte) (*Report, error) {
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if r.SchemaVersion != SchemaVersion {
		return nil, fmt.Errorf("report: schema version %d; this program reads %d", r.SchemaVersion, SchemaVersion)
	}
	return &r, nil
}
