package verify

import (
	"fmt"
	"time"
)

// Level is how near a rebuilt image comes to the published one.
type Level int

// The levels from worst to best. NoLevel stands for what was not compared, and
// reaches nothing.
const (
	NoLevel     Level = iota
	Different         // names, types, modes, owners, links, attributes or contents differ
	SameFiles         // the same files; times, order or archive format differ
	SameLayers        // the same diff IDs
	SameImageID       // the same config, so the same image ID
	SameDigest        // the same manifest, byte for byte
)

var levelNames = [...]string{"", "different", "files", "layers", "image-id", "digest"}

// Levels are the levels that a rebuild can be asked to reach, best first.
func Levels() []Level { return []Level{SameDigest, SameImageID, SameLayers, SameFiles} }

// Reaches reports whether the level is the one asked for, or a better one.
func (l Level) Reaches(asked Level) bool { return l > NoLevel && asked > NoLevel && l >= asked }

// String gives the level as JSON has it; "" for NoLevel.
func (l Level) String() string {
	if l < NoLevel || l > SameDigest {
		return fmt.Sprintf("level(%d)", int(l))
	}
	return levelNames[l]
}

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the level's name.
func (l *Level) UnmarshalText(text []byte) error {
	for i, name := range levelNames {
		if name == string(text) {
			*l = Level(i)
			return nil
		}
	}
	return fmt.Errorf("no such level: %q", text)
}

// Rebuilt is what assembling an image again came to.
type Rebuilt struct {
	// Level is how near the whole image comes; absent where it was not
	// compared as a whole.
	Level Level `json:"level,omitempty"`
	// Layers are the image's layers, lowest first.
	Layers []RebuiltLayer `json:"layers"`
	// Witnesses are the values that were taken from the published image
	// because no source can give them.
	Witnesses []Witness `json:"witnesses"`
	// Coverage is how much of the image is accounted for; absent where there
	// is no published image.
	Coverage *RebuildCoverage `json:"coverage,omitempty"`
	// Difference is the first thing in which the image differs from what was
	// rebuilt; absent where there is none, or none was looked for.
	Difference *Difference `json:"difference,omitempty"`
	// Notes say what the level rests on.
	Notes []string `json:"notes,omitempty"`
	// Build is the build that made, or was to make, what follows from no
	// source alone; absent where none was needed or asked for.
	Build *RebuildBuild `json:"build,omitempty"`
}

// RebuildBuild is a build by a builder.
type RebuildBuild struct {
	// Builder is "buildkit", "docker" for the BuildKit of a Docker Engine, or
	// "classic"; Version is its version, Address where it listens, Worker the
	// platform of its machine. Each is absent where it is not known.
	Builder string `json:"builder,omitempty"`
	Version string `json:"version,omitempty"`
	Address string `json:"address,omitempty"`
	Worker  string `json:"worker,omitempty"`
	// Digest and ImageID are those of the image that was built; absent where
	// there is none.
	Digest  string `json:"digest,omitempty"`
	ImageID string `json:"imageID,omitempty"`
	// Network is what RUN could reach, "none" or "default".
	Network string `json:"network,omitempty"`
	// SourceDate is SOURCE_DATE_EPOCH; absent where none was set.
	SourceDate *time.Time `json:"sourceDate,omitempty"`
	// Bases are the images that the build read from.
	Bases []PinnedImage `json:"bases"`
	// Log is the end of what the builder said; absent where an image was built.
	Log []string `json:"log,omitempty"`
}

// RebuiltLayer is one layer of an image.
type RebuiltLayer struct {
	// DiffID is the layer's digest, unpacked.
	DiffID string `json:"diffID"`
	// Level is how near what was rebuilt comes; absent where it was not.
	Level Level `json:"level,omitempty"`
	// Directive is the line of the Dockerfile that makes the layer; absent for
	// one that none is known to make.
	Directive int `json:"directive,omitempty"`
	// Reason is why the layer was not rebuilt.
	Reason string `json:"reason,omitempty"`
	// Coverage is the part of it that is accounted for.
	Coverage *RebuildCoverage `json:"coverage,omitempty"`
}

// Witness is a value of the published image that no source can give.
type Witness struct {
	// Field says which, Value is the value.
	Field string `json:"field"`
	Value string `json:"value"`
}

// RebuildCoverage counts uncompressed bytes of content, and files.
type RebuildCoverage struct {
	// Bytes and Files are the two counts.
	Bytes Coverage `json:"bytes"`
	Files Coverage `json:"files"`
}

// Difference is the first thing in which a published image differs from what
// was rebuilt.
type Difference struct {
	// Where is the layer ("layer 1"), "config" or "manifest"; Path the entry
	// in the layer, or the value's path in the document.
	Where string `json:"where"`
	Path  string `json:"path,omitempty"`
	// Field is what of an entry differs: content, mode, owner, a field of its
	// header, or that only one side has it.
	Field string `json:"field,omitempty"`
	// Rebuilt and Published are the two values.
	Rebuilt   string `json:"rebuilt"`
	Published string `json:"published"`
}

// RebuildReport is the result of building an image anew.
type RebuildReport struct {
	// SchemaVersion is the version of this form.
	SchemaVersion int `json:"schemaVersion"`
	// Program is what wrote the report.
	Program Program `json:"verify"`
	// Reference is what was to be rebuilt, as it was given.
	Reference string `json:"reference"`
	// Platform is "os/architecture[/variant]".
	Platform string `json:"platform"`
	// Format is the builder whose bytes are written: classic or buildkit.
	Format string `json:"format"`
	// Created is the source date: what the image's times are set to.
	Created time.Time `json:"created"`
	// Origin is the source that is built from; null for a directory at hand.
	Origin *Origin `json:"origin"`
	// Plan says what is done for each directive.
	Plan []PlannedStep `json:"plan"`
	// Rebuild is what was assembled; absent from a plan.
	Rebuild *Rebuilt `json:"rebuild,omitempty"`
	// Output is what was written; absent from a plan.
	Output *RebuildOutput `json:"output,omitempty"`
	// Timings say how long the run took.
	Timings Timings `json:"timings"`
}

// Refused reports whether some directive cannot be rebuilt.
func (r *RebuildReport) Refused() bool {
	for _, s := range r.Plan {
		if s.Reason != "" {
			return true
		}
	}
	return false
}

// PlannedStep is what is done for one directive.
type PlannedStep struct {
	// Line and Directive say which: the line in the Dockerfile and the
	// instruction as it is written; line 0 is the base image.
	Line      int    `json:"line"`
	Directive string `json:"directive"`
	// Makes is "layer" or "config".
	Makes string `json:"makes"`
	// Reason is why the layer cannot be rebuilt, Detail the argument or path in
	// question; absent where it can.
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// RebuildOutput is where a rebuilt image lies.
type RebuildOutput struct {
	// Path is the OCI layout, Digest the manifest's digest, ImageID the
	// config's.
	Path    string `json:"path"`
	Digest  string `json:"digest"`
	ImageID string `json:"imageID"`
}
