package buildhash

import (
	"context"
	"errors"
	"io/fs"
)

// ErrOwner says that the hash of a file takes names of its owner that the host
// of the build had, or an attribute that is not known how to hash.
var ErrOwner = errors.New("it does not belong to root, or has capabilities")

// StageVariant is how Docker 20.10 hashes files that it copies from another
// stage or image: as they are there, with root by name.
var StageVariant = Variant{Name: "files of another stage, Docker 20.10", TypeBits: true, AsFound: true, Piped: true, Owner: "root"}

// Owned is what the Sys of a stage's files tells: who owns them, and whether
// they have no other attribute that counts.
type Owned interface {
	Owner() (uid, gid int, plain bool)
}

// SumStage is Sum for a COPY --from: stage holds the files of the other stage.
// The error is ErrOwner where the hash of a file follows from more than the
// stage.
func SumStage(ctx context.Context, stage fs.FS, sources []string) (string, error) {
	if _, err := fs.Stat(stage, ignoreName); err == nil {
		return "", ErrNotHashed // a name that a build context has a use for
	}
	p, err := newPlans(ctx, stage, sources, []Variant{StageVariant})
	if err != nil {
		return "", err
	}
	for _, parts := range p.parts {
		for _, part := range parts {
			for _, n := range part.nodes {
				if !ownedByRoot(n) {
					return "", &fs.PathError{Op: "hash", Path: n.path, Err: ErrOwner}
				}
			}
		}
	}
	if err := p.read(ctx); err != nil {
		return "", err
	}
	return p.sum(0), nil
}

func ownedByRoot(n node) bool {
	if n.info == nil {
		return true
	}
	o, ok := n.info.Sys().(Owned)
	if !ok {
		return false
	}
	uid, gid, plain := o.Owner()
	return uid == 0 && gid == 0 && plain
}
