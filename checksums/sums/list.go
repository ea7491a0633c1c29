package sums

import (
	"path"
	"regexp"
	"strings"
)

// Place says where a distributor keeps a checksum file.
type Place string

const (
	// RepositoryRoot is the root of the repository, in the commit that has
	// the archive; names in the list are paths from there.
	RepositoryRoot Place = "repository root"
	// BesideTarball is the archive's own folder, in the same commit; names in
	// the list are base names.
	BesideTarball Place = "beside the tarball"
	// AtAddress is the distributor's own server; names in the list are base
	// names.
	AtAddress Place = "at the distributor's address"
)

// Subject says what a signature is over.
type Subject string

const (
	OverList    Subject = "list"
	OverArchive Subject = "archive"
)

// List is one checksum file that a distributor publishes.
type List struct {
	Where Place
	// File is the list's name in its folder; "{archive}" in it is the archive's
	// base name.
	File string
	// Algorithm is what its digests are.
	Algorithm string
	// Archives says which archives the list speaks of, by their base name; nil
	// for all. Its named groups are what Address is filled in with.
	Archives *regexp.Regexp
	// Address is the folder's URL for AtAddress; "{group}" in it is a group of
	// Archives, "{serial}" the build's date.
	Address string
	// Signature is the file in the list's folder that holds an OpenPGP
	// signature, with "{archive}" as in File; "" for none.
	Signature string
	// Signs is what that signature is over.
	Signs Subject
	// Independent is whether the list comes another way than the archive, so
	// that changing both takes two breaches. It is false for a list in the
	// archive's own commit.
	Independent bool
	// IndependentIfSigned is whether a list that is not independent by where it
	// lies becomes so once VerifySignature accepts its signature: whoever can
	// write the commit cannot write that.
	IndependentIfSigned bool
}

// Covers reports whether the list speaks of an archive of that name, folders
// before it aside.
func (l List) Covers(archive string) bool {
	return l.Archives == nil || l.Archives.MatchString(path.Base(archive))
}

// FileFor is the list's name in its folder, for an archive.
func (l List) FileFor(archive string) string { return named(l.File, archive) }

// named puts an archive's base name into a file's.
func named(file, archive string) string {
	return strings.ReplaceAll(file, "{archive}", path.Base(archive))
}

// Name is the archive's name in the list. The archive is a path in the build
// context, directory the context's in the repository.
func (l List) Name(directory, archive string) string {
	if l.Where == RepositoryRoot {
		return path.Join(directory, archive)
	}
	return path.Base(archive)
}

// Path is where the list lies in the commit; "" for one at an address.
func (l List) Path(directory, archive string) string {
	return l.inCommit(l.File, directory, archive)
}

// SignaturePath is where the signature lies in the commit; "" for none.
func (l List) SignaturePath(directory, archive string) string {
	if l.Signature == "" {
		return ""
	}
	return l.inCommit(l.Signature, directory, archive)
}

func (l List) inCommit(file, directory, archive string) string {
	switch l.Where {
	case RepositoryRoot:
		return file
	case BesideTarball:
		return path.Join(directory, path.Dir(archive), named(file, archive))
	}
	return ""
}

// URLs are the addresses of the list and of its signature ("" for none) for an
// archive. The serial is the build's date, which some addresses hold. ok is false
// where the list is not at an address, does not speak of the archive, or needs a
// serial that is not given: the newest list speaks of other archives by the same
// names.
func (l List) URLs(archive, serial string) (list, signature string, ok bool) {
	if l.Where != AtAddress || !l.Covers(archive) || strings.Contains(l.Address, "{serial}") && !serialForm.MatchString(serial) {
		return "", "", false
	}
	name := path.Base(archive)
	folder := l.fill(name, serial)
	list = folder + l.FileFor(archive)
	if l.Signature != "" {
		signature = folder + named(l.Signature, archive)
	}
	return list, signature, true
}

// fill puts the groups of an archive's name into the address. Groups match
// letters, digits, dots and underscores only, so that a name cannot lead the
// address elsewhere.
func (l List) fill(name, serial string) string {
	address := strings.ReplaceAll(l.Address, "{serial}", serial)
	if l.Archives == nil {
		return address
	}
	match := l.Archives.FindStringSubmatch(name)
	for i, group := range l.Archives.SubexpNames() {
		if group != "" {
			address = strings.ReplaceAll(address, "{"+group+"}", match[i])
		}
	}
	return address
}
