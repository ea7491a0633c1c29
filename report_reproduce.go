package verify

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// ReproduceReport says how near an image that is built again from its source
// comes to the published one, and what stands in the way.
type ReproduceReport struct {
	// SchemaVersion is the version of this form.
	SchemaVersion int `json:"schemaVersion"`
	// Program is what wrote the report.
	Program Program `json:"verify"`
	// Reference is the published image as it was given.
	Reference string `json:"reference"`
	// Time is when the rebuild was made.
	Time time.Time `json:"time"`
	// Verdict is verified where the level asked for was reached, failed where
	// it was not, incomplete where the image could not be rebuilt.
	Verdict Verdict `json:"verdict"`
	// Asked is the level that was asked for.
	Asked Level `json:"asked"`
	// Digest is the published manifest's; null where there is none.
	Digest *string `json:"digest"`
	// ImageID is the published config's digest.
	ImageID string `json:"imageID"`
	// Platform is "os/architecture[/variant]"; null where it is not known.
	Platform *string `json:"platform"`
	// Created is the time that the published config claims; absent where it
	// claims none.
	Created *time.Time `json:"created,omitempty"`
	// Origin is the source that was built from; null where none was found.
	Origin *Origin `json:"origin"`
	// Findings are those that the verdict rests on.
	Findings []Finding `json:"findings"`
	// Environment is what it takes to repeat the rebuild elsewhere.
	Environment RebuildEnvironment `json:"environment"`
	// Builds are the rebuilds; one where nothing was built that could turn out
	// otherwise the next time.
	Builds []RebuildRun `json:"builds"`
	// Steady is how near the rebuilds come to one another; absent where there
	// are not two.
	Steady Level `json:"steady,omitempty"`
	// Rebuild is the level of the image and of each layer, what was taken from
	// the published image, and how much of it is accounted for.
	Rebuild *Rebuilt `json:"rebuild,omitempty"`
	// Directives are those of the Dockerfile that the layers, the causes and
	// the differences name by their line.
	Directives []DirectiveText `json:"directives"`
	// Causes are why the two differ, those that touch most files first.
	Causes []Cause `json:"causes"`
	// Differences are those of the config and the manifest, then those of the
	// files in walk order; at most a fixed number of them.
	Differences []Discrepancy `json:"differences"`
	// Counts are all differences by class, listed or not.
	Counts map[string]int `json:"counts"`
	// Unlisted counts the differences that are not listed, and so have no
	// cause.
	Unlisted int `json:"unlisted"`
	// Timings say how long the run took.
	Timings Timings `json:"timings"`
}

// RebuildEnvironment is what a rebuild was made with.
type RebuildEnvironment struct {
	// Builder is what built: "replay" for this program itself, "layout" where
	// the repository holds the image and nothing was built. Version is the
	// builder's.
	Builder string `json:"builder"`
	Version string `json:"version"`
	// Format is whose bytes are written: classic or buildkit.
	Format string `json:"format,omitempty"`
	// Platform is what was built for, "os/architecture[/variant]".
	Platform string `json:"platform,omitempty"`
	// Repository, Commit, Directory and File are the source; Context is the
	// directory on this machine that stood in a repository's place.
	Repository string `json:"repository,omitempty"`
	Commit     string `json:"commit,omitempty"`
	Directory  string `json:"directory,omitempty"`
	File       string `json:"file,omitempty"`
	Context    string `json:"context,omitempty"`
	// Target is the stage that was built, "" for the last; BuildArgs are the
	// arguments.
	Target    string            `json:"target,omitempty"`
	BuildArgs map[string]string `json:"buildArgs"`
	// Bases are the images that the build stands on and reads from.
	Bases []PinnedImage `json:"bases"`
	// SourceDate is SOURCE_DATE_EPOCH; absent where none was set.
	SourceDate *time.Time `json:"sourceDate,omitempty"`
	// Network is what RUN could reach, "none" or "default"; absent where
	// nothing was run.
	Network string `json:"network,omitempty"`
	// Command repeats the rebuild, as a line for a shell; absent where the
	// report was not made from a command line.
	Command string `json:"command,omitempty"`
}

// PinnedImage is an image as a Dockerfile names it, and what that was.
type PinnedImage struct {
	// Reference is the name in the Dockerfile.
	Reference string `json:"reference"`
	// Digest is the manifest's; absent where it is not known.
	Digest string `json:"digest,omitempty"`
}

// RebuildRun is one rebuild.
type RebuildRun struct {
	// Digest and ImageID are those of the image that came out; absent where no
	// whole image was written.
	Digest  string `json:"digest,omitempty"`
	ImageID string `json:"imageID,omitempty"`
	// Level is how near it comes to the published image; absent where it was
	// not compared as a whole.
	Level Level `json:"level,omitempty"`
	// Layers are the diff IDs, lowest first; "" for a layer whose bytes are not
	// the published ones and were not kept.
	Layers []string `json:"layers"`
}

// DirectiveText is a directive of the Dockerfile.
type DirectiveText struct {
	// Line is where it begins, Text the instruction as it is written.
	Line int    `json:"line"`
	Text string `json:"text"`
}

// CauseKind says what a cause is worth.
type CauseKind string

// The kinds of causes.
const (
	// KnownNoise is a difference that builds of one source are known to have.
	KnownNoise CauseKind = "noise"
	// BuilderNoise is what the rebuilds do not even agree on among themselves.
	BuilderNoise CauseKind = "unsteady"
	// RealDifference is what the rebuilds agree on and the published image has
	// otherwise.
	RealDifference CauseKind = "difference"
)

// Cause is why a rebuilt image is not the published one.
type Cause struct {
	// Name is stable and in kebab-case (docs/reproduce.md lists them).
	Name string `json:"name"`
	// Kind is noise, unsteady or difference.
	Kind CauseKind `json:"kind"`
	// Subject is the package or the file that the cause is about, where it is
	// about one.
	Subject string `json:"subject,omitempty"`
	// Summary says in one line what is so.
	Summary string `json:"summary"`
	// Fix says what would mend it.
	Fix string `json:"fix"`
	// Files counts the paths it touches; members of the config and annotations
	// count as one each.
	Files int `json:"files"`
	// Directives are those that made what it touches, by line.
	Directives []CausingDirective `json:"directives"`
	// Examples are some of the paths.
	Examples []string `json:"examples"`
}

// CausingDirective is a directive behind a cause.
type CausingDirective struct {
	// Line is the directive's in the Dockerfile; 0 stands for the base image.
	Line int `json:"line"`
	// Files counts the cause's paths that it made.
	Files int `json:"files"`
}

// Discrepancy is one thing in which the published image is not the rebuilt one.
type Discrepancy struct {
	// Path is the file's, without a leading or trailing slash; the member of
	// the config, or the annotation's key, for those classes.
	Path string `json:"path"`
	// PathBytes is the path in base64 where it is not UTF-8, and Path lossy.
	PathBytes []byte `json:"pathBytes,omitempty"`
	// Class is content, type, mode, owner, time, xattr, link, missing (only
	// the rebuilt image has it), added (only the published one has it),
	// duplicate, order, format, config or annotation.
	Class string `json:"class"`
	// Layer is the layer that the path is from, from 0; absent for what is in
	// no layer.
	Layer *int `json:"layer,omitempty"`
	// Line is that of the directive which made it; absent where none is known.
	Line int `json:"line,omitempty"`
	// Cause is the place among the causes, from 0.
	Cause int `json:"cause"`
	// Rebuilt and Published are the two values; absent on a side that has
	// none.
	Rebuilt   string `json:"rebuilt,omitempty"`
	Published string `json:"published,omitempty"`
	// Change shows what differs in a file's content, a line each.
	Change []string `json:"change,omitempty"`
}

// ReadReproduceReport reads a report back from its JSON form.
func ReadReproduceReport(data []byte) (*ReproduceReport, error) {
	var r ReproduceReport
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if r.SchemaVersion != SchemaVersion {
		return nil, fmt.Errorf("report: schema version %d; this program reads %d", r.SchemaVersion, SchemaVersion)
	}
	if !slices.Contains([]Verdict{Verified, Failed, Incomplete}, r.Verdict) || r.Asked == NoLevel {
		return nil, fmt.Errorf("report: it is not that of a reproduction: the verdict is %q, and the level asked for is %q", r.Verdict, r.Asked)
	}
	return &r, nil
}
