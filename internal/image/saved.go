package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// saved is an archive that `docker save` wrote, in either of its formats: before
// version 25 a folder a layer, since then an OCI layout; both have a
// manifest.json that says which files are an image's config and layers
// (https://github.com/moby/docker-image-spec/blob/main/spec.md). Files are found
// by the digests that makeManifest gives them.
type saved struct {
	archive
	store  string  // how a reference to it starts
	sentBy *daemon // nil for a file
	images []savedImage
	blobs  map[v1.Hash]string // the name in the archive that stands for a digest
	hashed map[string]v1.Hash // of files that had to be read to know their digest
}

// openDockerArchive opens a reference to an archive of `docker save`.
func openDockerArchive(ctx context.Context, given string, o Options) (*Set, error) {
	ref, err := parseLocal(given, KindDockerArchive)
	if err != nil {
		return nil, err
	}
	if ref.digest != (v1.Hash{}) {
		return nil, &ReferenceError{Given: given, Problem: "the archive has no manifest that could have that digest",
			Advice: "write " + ref.where() + ":NAME:TAG, or :sha256:… with the image's ID"}
	}
	file, err := openFile(given, ref.path)
	if err != nil {
		return nil, err
	}
	return readDockerArchive(ctx, given, ref, file, o)
}

// readDockerArchive scans an archive that is open, and closes it where it cannot.
func readDockerArchive(ctx context.Context, given string, ref localReference, file *os.File, o Options) (*Set, error) {
	file, files, err := unpackSaved(ctx, file, o)
	if err != nil {
		return nil, notTar(ctx, given, err)
	}
	s := newSaved(ref.where(), file, files)
	return s.openSet(ctx, Reference{Given: given, Kind: KindDockerArchive, Store: ref.where()}, ref.ref, o)
}

// inSaved reports whether a file of an archive of `docker save` may be asked for.
func inSaved(name string) bool {
	return name != "." && !leaves(name) && len(name) <= MaxArchivePath
}

func newSaved(where string, file *os.File, files map[string]extent) *saved {
	return &saved{archive: archive{name: where, file: file, files: files},
		store: where, blobs: map[v1.Hash]string{}, hashed: map[string]v1.Hash{}}
}

// openSet opens the image that ref names; where it cannot, it closes the archive.
func (s *saved) openSet(ctx context.Context, r Reference, ref string, o Options) (*Set, error) {
	set, err := s.openImage(ctx, r, ref, o)
	if err != nil {
		s.close()
		return nil, err
	}
	return set, nil
}

// openImage reads manifest.json and opens the image that ref names.
func (s *saved) openImage(ctx context.Context, r Reference, ref string, o Options) (*Set, error) {
	if err := s.readManifestFile(r.Given); err != nil {
		return nil, err
	}
	choose := s.choose
	if s.sentBy != nil {
		choose = s.sent
	}
	chosen, err := choose(ref)
	if err != nil {
		return nil, err
	}
	manifest, err := s.makeManifest(ctx, chosen.image)
	if err != nil {
		return nil, err
	}
	all, err := newChooser(s, o).single(ctx, &document{manifest: manifest}, nil)
	if err != nil {
		return nil, err
	}
	if r.Tag = chosen.name.tag; chosen.name != (registryReference{}) {
		r.Name, r.OwnAccount = chosen.name.name(), true
	}
	r.Pinned = ref != "" && ref == manifest.Config.Digest.String()
	return newSet(s, all, r), nil
}

// readManifestFile reads manifest.json.
func (s *saved) readManifestFile(given string) error {
	r, err := s.archive.open(manifestFile)
	if errors.Is(err, fs.ErrNotExist) {
		e := &ReferenceError{Given: given, Problem: "not an archive of docker save: it has no " + manifestFile,
			Advice: "archives of Docker before 1.10 are not read", Err: err}
		if _, ok := s.files[layoutFile]; ok {
			e.Advice = "for a tar archive of an OCI layout write oci-archive:FILE"
		}
		return e
	}
	if err != nil {
		return &ReferenceError{Given: given, Problem: "not an archive of docker save: " + manifestFile + " " + reason(err), Err: err}
	}
	raw, err := readBounded(r, manifestFile)
	if err != nil {
		return fmt.Errorf("%s: %w", given, err)
	}
	s.images, err = parseSaved(raw, s.name)
	return err
}

// follow returns the name of the file that a name in manifest.json stands for,
// links followed. Docker has written a layer that an image has twice as a link
// to the other one.
func (s *saved) follow(name string) (string, error) {
	given, name := name, cleanName(name)
	for range MaxArchiveLinks + 1 {
		if leaves(name) {
			return "", notFile(given, "leads out of the archive")
		}
		e, ok := s.files[name]
		switch {
		case !ok:
			return "", notFile(given, "is not there")
		case e.link != "":
			name = e.link
		case e.other != "":
			return "", notFile(given, e.other)
		default:
			return name, nil
		}
	}
	return "", notFile(given, fmt.Sprintf("leads through more than %d links", MaxArchiveLinks))
}

func notFile(name, problem string) error {
	return fmt.Errorf("the file %q %s", oneLine(name), problem)
}

// document is asked for nothing: such an archive is not opened by digests.
func (s *saved) document(_ context.Context, h v1.Hash) ([]byte, error) {
	return nil, &AbsentError{What: h.String(), Where: s.name}
}

func (s *saved) blob(ctx context.Context, h v1.Hash) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	absent := &AbsentError{What: h.String(), Where: s.name}
	name, ok := s.blobs[h]
	if !ok {
		return nil, absent
	}
	file, err := s.follow(name)
	if err != nil {
		absent.Note = err.Error()
		return nil, absent
	}
	return s.archive.open(file)
}
