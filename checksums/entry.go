package checksums

import "time"

// Entry is one entry of a layer or of an archive: what a header says of a
// path, and the digest of the content behind it.
type Entry struct {
	// Path is the cleaned name: components separated by "/", no leading or
	// trailing slash, no "." components. A name that leaves the root keeps its
	// leading "../" (see Escapes). The root itself is ".".
	Path string
	// Type is the tar typeflag, normalised: '0' file, '1' hard link, '2'
	// symbolic link, '3' character device, '4' block device, '5' directory,
	// '6' FIFO; anything else is kept as the archive has it.
	Type byte
	// Mode holds permission, setuid, setgid and sticky bits (07777); no file
	// type bits.
	Mode int64
	// UID and GID are the numeric owner.
	UID, GID int
	// Size is the content's length in bytes; 0 for the types '1' to '6' and
	// for the global headers 'g', which have no content.
	Size int64
	// Link is the target: of a symbolic link exactly as written, of a hard
	// link the cleaned path.
	Link string
	// Devmajor and Devminor are set for devices only.
	Devmajor, Devminor int64
	// ModTime is the modification time in UTC; the zero time in an entry that
	// a directive is expected to leave means that the source does not say.
	ModTime time.Time
	// Xattrs holds extended attributes by name (without "SCHILY.xattr.").
	Xattrs map[string]string
	// Digest is the sha256 of the content of a regular file (or of the content
	// of an entry of unknown type); zero where there can be no content.
	Digest [32]byte
	// Odd says what else of the header an unpacking program could act on, as
	// comma-joined words in alphabetical order; "" for what image builders
	// write. It names what is there, not what it holds. The words are:
	//
	//	acl         an access control list (PAX SCHILY.acl.*)
	//	contiguous  typeflag '7', else taken for a file
	//	gname       a group's name that is root for another number than 0, or
	//	            not root for 0; other names differ from machine to machine,
	//	            and builders write those of theirs
	//	link        a hard link's target is not written as Link has it
	//	name        the name is not written as Path has it; "./" in front
	//	            and a directory's "/" behind are not odd
	//	pax:KEY     a PAX record of an unknown key, or a field left empty
	//	size        a link, directory, device or FIFO is said to have content
	//	sparse      a file with holes, else taken for a file
	//	uname       a user's name, as for gname
	//
	// Keys are escaped and cut; of more than 16 words the rest is "…".
	Odd string
	// Seq is the entry's place in the archive, from 0.
	Seq int
}

// Escapes reports whether the path leads out of the root.
func (e Entry) Escapes() bool {
	return e.Path == ".." || len(e.Path) >= 3 && e.Path[:3] == "../"
}

// hasContent reports whether an entry of the type can have content.
func hasContent(typ byte) bool {
	return !(typ >= '1' && typ <= '6') && typ != 'g'
}
