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
	// MaxArchiveEntries bounds the entries of a layout archive.
	MaxArchiveEntries = 100_000
	// MaxTags bounds the tags of a repository that are searched for names near
	// an unknown one: one page.
	MaxTags = 1_000
)
