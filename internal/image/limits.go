package image

// The bounds of what foreign input can make this package read, keep or follow.
const (
	// MaxManifestBytes bounds an index, a manifest, a config, a layout's
	// index.json and a registry's list of tags: 4 MiB, what registries accept.
	MaxManifestBytes = 4 << 20
	// MaxLayers bounds the layers of a manifest and the diff IDs of a config.
	MaxLayers = 1_000
	// MaxHistory bounds the history entries of a config.
	MaxHistory = 10_000
	// MaxJSONDepth bounds how many objects and lists may stand one in another in
	// an index, a manifest or a config.
	MaxJSONDepth = 64
	// MaxIndexDepth bounds how many indexes may stand one in another above an
	// image; a layout's own index.json is not counted.
	MaxIndexDepth = 3
	// MaxIndexes and MaxIndexBytes bound the nested indexes read for one
	// reference: an index that names itself many times would otherwise be read
	// that many times a level.
	MaxIndexes    = 100
	MaxIndexBytes = 32 << 20
	// MaxIndexEntries bounds the entries of one index.
	MaxIndexEntries = 10_000
	// MaxImages bounds the images that AllPlatforms opens.
	MaxImages = 100
	// MaxArchiveEntries bounds the entries of an archive, and MaxArchiveNames the
	// bytes of all the names and link targets that are kept of them.
	MaxArchiveEntries = 100_000
	MaxArchiveNames   = 16 << 20
	// MaxArchivePath bounds one name in an archive of `docker save`: Linux's
	// PATH_MAX. A file of a longer name is not found.
	MaxArchivePath = 4096
	// MaxArchiveLinks bounds the links that lead one to another in an archive.
	MaxArchiveLinks = 8
	// MaxSavedImages bounds the images of one archive of `docker save`.
	MaxSavedImages = 1_000
	// MaxSpoolBytes bounds the temporary file that a compressed archive is
	// unpacked to and a daemon's answer is kept in: 16 GiB, twice the largest
	// layer that is read.
	MaxSpoolBytes int64 = 16 << 30
	// MaxDaemonAnswer bounds the daemon's list of images, and its words in an
	// answer that is an error.
	MaxDaemonAnswer = 4 << 20
	// MaxReferrers bounds what is attached to one manifest, MaxReferrerPages the
	// pages of the list of it, MaxAttachedBytes the bytes of its manifests.
	MaxReferrers     = 1_000
	MaxReferrerPages = 100
	MaxAttachedBytes = 32 << 20
	// MaxSignatures bounds the signatures and signed statements of one manifest
	// that are handed out, MaxAttachmentBlob the bytes of one.
	MaxSignatures     = 100
	MaxAttachmentBlob = 16 << 20
	// MaxTags bounds the tags of a repository that are searched for names near
	// an unknown one: one page.
	MaxTags = 1_000
)
