package verify

import "time"

// Base is an image that another one is built on.
type Base struct {
	// Reference is the base as the Dockerfile names it: "scratch" for nothing.
	Reference string `json:"reference"`
	// Found says how it was found: flag, digest (in the Dockerfile), annotation,
	// tag (as it stands now), or layers, for one that is known by the lowest
	// layers of the image above alone. Absent where it was not found.
	Found string `json:"found,omitempty"`
	// Image is the reference that was opened.
	Image string `json:"image,omitempty"`
	// Digest and ImageID are the base's own; null where they are not known.
	Digest  *string `json:"digest"`
	ImageID *string `json:"imageID"`
	// ChainID names its layers one upon the other, Layers and Entries count them
	// and its history entries in the image above.
	ChainID string `json:"chainID,omitempty"`
	Layers  int    `json:"layers"`
	Entries int    `json:"entries"`
	// Created is the time that its config, or its last history entry, claims.
	Created *time.Time `json:"created,omitempty"`
	// Depth is 1 for the base of the image, 2 for its base, and so on.
	Depth int `json:"depth"`
	// OnBuild are its triggers, which run in the image above.
	OnBuild []string `json:"onBuild,omitempty"`
	// Verdict is the judgement over the base itself; absent where it was not
	// verified.
	Verdict Verdict `json:"verdict,omitempty"`
	// Origin is where the base comes from, Findings what was found about it.
	Origin   *Origin   `json:"origin,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	// Base is its own base.
	Base *Base `json:"base,omitempty"`
}

// Input is an image that a build reads from beside its base.
type Input struct {
	// Reference is the image as the Dockerfile names it, Line where.
	Reference string `json:"reference"`
	Line      int    `json:"line"`
	// How is the directive: "FROM" of a stage, "COPY --from=", "RUN --mount from=".
	How string `json:"how"`
}

// Origin is where an image comes from: the build definition's repository,
// commit and file, with the claims behind it.
type Origin struct {
	// Repository is a URL, or the path of a repository on this machine that the
	// user named; Commit is a full commit id. Both are null for a Dockerfile that
	// was handed in; File is then its path on this machine.
	Repository *string `json:"repository"`
	Commit     *string `json:"commit"`
	// Directory is the build context's path in the repository, File the build
	// definition's path below it.
	Directory string `json:"directory"`
	File      string `json:"file"`
	// Context is the directory that was handed in as the build context.
	Context string `json:"context,omitempty"`
	// Builder is "dockerfile" or "oci-import".
	Builder string `json:"builder"`
	// CommitTime is the commit's committer time, where the commit was read.
	CommitTime *time.Time `json:"commitTime,omitempty"`
	// Archives are the files that the Dockerfile unpacks, by path from the
	// directory: the rootfs tarballs.
	Archives []string `json:"archives,omitempty"`
	// Claims are the statements of origin behind this one.
	Claims []Claim `json:"claims"`
}

// Claim is somebody's statement of origin. It is never trusted because it
// exists.
type Claim struct {
	// Source is library, annotation, label, attestation or flag.
	Source string `json:"source"`
	// Kind is build (the build definition) or source (the program's source).
	Kind string `json:"kind"`
	// Repository, Commit, Directory and File are what the claim names.
	Repository string `json:"repository"`
	Commit     string `json:"commit,omitempty"`
	Directory  string `json:"directory,omitempty"`
	File       string `json:"file,omitempty"`
	// Base says that the claim is the base image's: the image has the label from
	// it.
	Base bool `json:"base,omitempty"`
	// Evidence is where the claim stands.
	Evidence []Evidence `json:"evidence"`
}
