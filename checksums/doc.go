// Package checksums reads archives and layers once, hashes every byte on the
// way, and keeps what was seen as an index: path → header and content digest.
//
// Nothing that is read here is believed. Every size that foreign input chooses
// has a named limit (see Limits), archives are indexed and never unpacked to
// disk, and the memory used depends on the number of entries, up to a bound,
// never on the size of a layer.
package checksums
