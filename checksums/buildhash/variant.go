package buildhash

import (
	"io/fs"
)

// Variant is one way in which a build context's files were stamped on their
// way to the builder.
type Variant struct {
	// Name says it in words, for evidence.
	Name string
	// TypeBits is whether modes carry the file type (0100644), as clients up
	// to 20.10 send them, or permissions only (0644).
	TypeBits bool
	// Umask is how the two modes of git became file modes: 022 gives 0644 and
	// 0755, 002 gives 0664 and 0775.
	Umask fs.FileMode
	// AsFound takes the modes that the context itself has, in place of git's
	// two and Umask.
	AsFound bool
	// Piped is whether the context was an archive given to the client
	// ("git archive | docker build -"): .dockerignore then removes nothing
	// but itself and the Dockerfile.
	Piped bool
	// Prefix stands before the names in the stream: "./" where tar packed ".".
	Prefix string
	// Owner is the name of the user and group that counted. Daemons up to
	// 17.x hashed the names that the stream had, and git archive writes
	// "root"; later ones take them as empty.
	Owner string
}

// Variants returns the known variants, likeliest first.
func Variants() []Variant {
	return []Variant{
		{Name: "git archive (0664, no type bits)", Umask: 0o002, Piped: true},
		{Name: "git archive, daemon up to 17.x (0664, no type bits, root)", Umask: 0o002, Piped: true, Owner: "root"},
		{Name: "Docker client from 23 (0644, no type bits)", Umask: 0o022},
		{Name: "Docker client up to 20.10 (0644, type bits)", Umask: 0o022, TypeBits: true},
		{Name: "Docker client up to 20.10, umask 002 (0664, type bits)", Umask: 0o002, TypeBits: true},
		{Name: "Docker client from 23, umask 002 (0664, no type bits)", Umask: 0o002},
		{Name: "archive of a folder (0644, no type bits)", Umask: 0o022, Piped: true},
		{Name: "archive of a folder with ./ names (0644, no type bits)", Umask: 0o022, Piped: true, Prefix: "./"},
		{Name: "Docker client from 23, modes as found", AsFound: true},
		{Name: "Docker client up to 20.10, modes as found", AsFound: true, TypeBits: true},
	}
}

// Mode returns the mode that a file of the context has in the stream: the
// permission bits, and the file type where v.TypeBits.
func (v Variant) Mode(info fs.FileInfo) int64 {
	mode := v.permissions(info.Mode())
	if !v.TypeBits {
		return mode
	}
	if info.IsDir() {
		return mode | 0o040000
	}
	return mode | 0o100000
}

func (v Variant) permissions(mode fs.FileMode) int64 {
	if v.AsFound {
		return UnixMode(mode)
	}
	perm := fs.FileMode(0o666)
	if mode.IsDir() || mode&0o111 != 0 {
		perm = 0o777
	}
	return int64(perm &^ v.Umask)
}

// UnixMode returns the permission, setuid, setgid and sticky bits of a mode as
// Unix numbers them (07777).
func UnixMode(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	if mode&fs.ModeSetuid != 0 {
		bits |= 0o4000
	}
	if mode&fs.ModeSetgid != 0 {
		bits |= 0o2000
	}
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// ignoring says how .dockerignore works on the context under v.
func (v Variant) ignoring() Ignoring {
	if v.Piped {
		return IgnorePiped
	}
	return IgnoreClassic
}
