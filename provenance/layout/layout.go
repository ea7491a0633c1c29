// Package layout compares an image with the OCI layout that a git repository
// keeps of it.
//
// The official library's entries with `Builder: oci-import` name such a layout:
// a folder with the files oci-layout and index.json and the blobs in
// blobs/ALGORITHM/HEX, often symbolic links to files beside them. Nothing is
// built: the image in the registry is the one in git, byte for byte. So the
// proof of origin is that git, at the commit, holds the image's manifest and all
// that it names. The format is that of the OCI image specification ("Image
// Layout"); what else an entry must be is what the library's tools demand: a
// layout version of 1.0.0, and one image in the index, or a descriptor alone in
// a file of another name.
//
// Every git object on the way is re-hashed by package source, and every blob is
// hashed again to the digest by which it is named.
package layout

import (
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/provenance/source"
)

// Errors of parts, to be told apart with errors.Is. Besides these a part's error
// is or wraps:
//
//   - *checksums.DigestError: the file in git is there and is another one, or of
//     another size.
//   - source.ErrOutsideTree: a symbolic link on the way leaves the commit's tree.
//   - *source.MismatchError: the repository at hand serves false objects.
//   - source.ErrObjectAbsent, source.ErrUnreachable: the commit has the file, and
//     the repository at hand does not give it.
//   - *checksums.LimitError, *source.LimitError: a bound was reached.
var (
	// ErrAbsent says that the commit has no such file.
	ErrAbsent = errors.New("not in the commit's tree")
	// ErrMalformed says that a document of the layout is not what its place
	// demands, or has more than one reading.
	ErrMalformed = errors.New("malformed layout")
	// ErrOtherImage says that the layout is of another image.
	ErrOtherImage = errors.New("the layout is of another image")
	// ErrSeveralImages says that the index leaves open which image is meant.
	ErrSeveralImages = errors.New("the index names several images")
)

// ErrSubject says that the image itself is not fit to be compared: its manifest
// is malformed or does not hash to its digest.
var ErrSubject = errors.New("the image cannot be compared with a layout")

// Subject is the image. Nothing in it is trusted: the manifest is hashed again.
type Subject struct {
	// Digest is the manifest's digest, Manifest its bytes. They are zero for an
	// image that has no manifest, such as one from a Docker daemon.
	Digest   v1.Hash
	Manifest []byte
	// Config is the config's digest, the image ID, and DiffIDs are the config's.
	// Both count only where there is no manifest.
	Config  v1.Hash
	DiffIDs []v1.Hash
	// Platform chooses among several images of an index; not needed for one.
	Platform v1.Platform
}

// Names of the parts. The layers are named "layer 1" and so on.
const (
	PartLayout   = "oci-layout"
	PartIndex    = "index"
	PartManifest = "manifest"
	PartConfig   = "config"
)

// Part is one file of the layout and how it compares.
type Part struct {
	// What is one of the names above, or "layer N" in the manifest's order.
	What string
	// Digest and Size are those by which the file is named; zero for the first
	// two parts, which no digest names.
	Digest v1.Hash
	Size   int64
	// Path is the file's path from the commit's root with all symbolic links
	// followed, as far as that went, and ObjectID its blob's id in hex.
	Path, ObjectID string
	// Err is nil for a file that is what the image demands.
	Err error
}

// Result is what comparing found: the layout's own two files, then the image's
// manifest, config and layers. Where the image has no manifest and the index
// leads to none, only the first two are there.
type Result struct{ Parts []Part }

// Equal reports whether all of the image is in git.
func (r *Result) Equal() bool { return r.Err() == nil }

// Err returns the first error that is a Contradiction, else the first, else
// nil, with the name of its part.
func (r *Result) Err() error {
	var first error
	for _, p := range r.Parts {
		err := p.Err
		if err != nil {
			err = fmt.Errorf("%s: %w", p.What, err)
		}
		if Contradiction(err) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// Bytes is the sum of the sizes of the blobs that are equal.
func (r *Result) Bytes() int64 {
	var sum int64
	for _, p := range r.Parts {
		if p.Err == nil {
			sum += p.Size
		}
	}
	return sum
}

// Contradiction reports whether a part's error says that git does not hold the
// image, as opposed to files that could not be had.
func Contradiction(err error) bool {
	var (
		digest   *checksums.DigestError
		mismatch *source.MismatchError
	)
	if errors.As(err, &digest) || errors.As(err, &mismatch) {
		return true
	}
	for _, kind := range []error{ErrAbsent, ErrMalformed, ErrOtherImage, ErrSeveralImages, source.ErrOutsideTree} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
