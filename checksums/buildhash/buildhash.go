// Package buildhash computes the file:, dir: and multi: hashes that the classic
// Docker builder wrote into an image's history for ADD and COPY.
//
// The hash of one entry is the sha256 over selected fields of the entry's
// header in the tar stream that carried the build context to the daemon
// ("tarsum version 1": no modification time), followed by the entry's bytes.
// Fields are written as name then value with nothing between: name, mode in
// decimal, uid, gid, size, typeflag, linkname, uname, gname, devmajor,
// devminor. A directory is the sha256 of the sorted hashes of all that is in
// it, joined with commas, itself included unless it is the context's root;
// several sources are the sha256 of their prefixed hashes in copy order, joined
// the same way.
//
// What the stream said of modes and names depends on who wrote it, so one file
// has several possible hashes: see Variant.
package buildhash

import (
	"context"
	"errors"
	"io/fs"
)

// Prefixes of the three kinds of hash.
const (
	filePrefix  = "file:"
	dirPrefix   = "dir:"
	multiPrefix = "multi:"
)

// ErrNoSource says that a source names nothing in the context.
var ErrNoSource = errors.New("no such file or directory in the context")

// ErrNotHashed says that a source is something whose hash is not known here: a
// device, a socket or a FIFO.
var ErrNotHashed = errors.New("neither a file nor a directory")

// Sum returns the hash that the classic builder writes for a COPY or ADD of
// sources out of the context, whose files were stamped as v says. Sources are
// paths relative to the context, in the order of the directive; wildcards are
// expanded. File contents are streamed.
func Sum(ctx context.Context, context fs.FS, sources []string, v Variant) (string, error) {
	p, err := newPlans(ctx, context, sources, []Variant{v})
	if err != nil {
		return "", err
	}
	if err := p.read(ctx); err != nil {
		return "", err
	}
	return p.sum(0), nil
}

// Match looks for the variant under which the hash of sources is want. Every
// file is read once, for all variants together. The boolean is false when no
// known variant gives want; the error is set when the context could not be
// read, or names nothing for a source (errors.Is ErrNoSource).
func Match(ctx context.Context, context fs.FS, sources []string, want string) (Variant, bool, error) {
	variants := Variants()
	p, err := newPlans(ctx, context, sources, variants)
	if err != nil {
		return Variant{}, false, err
	}
	if !p.possible(want) {
		return Variant{}, false, nil
	}
	if err := p.read(ctx); err != nil {
		return Variant{}, false, err
	}
	for i, v := range variants {
		if p.sum(i) == want {
			return v, true, nil
		}
	}
	return Variant{}, false, nil
}
