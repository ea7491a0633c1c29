package library

import (
	"path"
	"slices"
	"strings"

	"github.com/imageverify/verify/provenance/source"
)

// Entry is one build of the library: what to build for one architecture, and
// the tags it gets.
type Entry struct {
	// Tags are the entry's own tags, SharedTags those that it shares with
	// entries for other platforms.
	Tags, SharedTags []string
	// Architecture is bashbrew's name of it, such as arm64v8.
	Architecture string
	// Repository is a git URL as the file has it; see source.NormalizeURL.
	Repository string
	// Commit is a full commit id in lower case; "" in old entries that name a
	// branch or tag only, which Fetch then holds.
	Commit string
	// Fetch is the reference that holds the commit; "" where none is given.
	Fetch string
	// Directory is a clean relative path, "." for the root; File the
	// Dockerfile's name in it.
	Directory, File string
	// Builder is "", buildkit, classic or oci-import; "" leaves the choice of
	// builder to the library's tools.
	Builder string
}

// identity is what makes two entries the same build.
func (e Entry) identity() string {
	at := e.Commit
	if at == "" {
		at = e.Fetch
	}
	return strings.Join([]string{source.NormalizeURL(e.Repository), at, e.Directory, e.File, e.Builder}, "\x00")
}

// File is a parsed library file.
type File struct {
	paragraphs []paragraph
}

// paragraph is one entry of a file for all its architectures.
type paragraph struct {
	tags, sharedTags, architectures []string
	fields                          map[string]string // by lower-case name
}

// Entries returns the entries that build a tag for an architecture (bashbrew's
// name of it), in the file's order. There is more than one only in files that
// build a tag twice.
func (f *File) Entries(tag, arch string) []Entry {
	return slices.DeleteFunc(f.tagged(tag), func(e Entry) bool { return e.Architecture != arch })
}

// Tags returns all tags of the file that an architecture has, in its order.
func (f *File) Tags(arch string) []string {
	var out []string
	for _, p := range f.paragraphs {
		if slices.Contains(p.architectures, arch) {
			out = append(append(out, p.tags...), p.sharedTags...)
		}
	}
	return out
}

// tagged returns the entries of a tag for all architectures; "" stands for all
// tags.
func (f *File) tagged(tag string) []Entry {
	var out []Entry
	for _, p := range f.paragraphs {
		if tag != "" && !slices.Contains(p.tags, tag) && !slices.Contains(p.sharedTags, tag) {
			continue
		}
		for _, arch := range p.architectures {
			out = append(out, p.entry(arch))
		}
	}
	return out
}

// entry applies an architecture's own fields.
func (p paragraph) entry(arch string) Entry {
	get := func(name string) string {
		if v := p.fields[strings.ToLower(arch)+"-"+name]; v != "" {
			return v
		}
		return p.fields[name]
	}
	e := Entry{
		Tags: p.tags, SharedTags: p.sharedTags, Architecture: arch,
		Repository: get("gitrepo"), Commit: strings.ToLower(get("gitcommit")), Fetch: get("gitfetch"),
		Directory: cleanDirectory(get("directory")), File: get("file"), Builder: strings.ToLower(get("builder")),
	}
	if !isCommit(e.Commit) {
		e.Fetch, e.Commit = get("gitcommit"), ""
	}
	if e.File == "" {
		e.File = "Dockerfile"
	}
	return e
}

// cleanDirectory makes a directory of a library file a clean relative path. One
// that climbs stays as it is, for the reader of the repository to refuse.
func cleanDirectory(dir string) string {
	return path.Clean(strings.TrimLeft(strings.TrimSpace(dir), "/"))
}

// isCommit reports whether text is a full SHA-1 or SHA-256 id in lower case.
func isCommit(text string) bool {
	return (len(text) == 40 || len(text) == 64) && strings.Trim(text, "0123456789abcdef") == ""
}

// Arch returns bashbrew's name of a platform, as the Go and OCI names give it:
// linux/arm64/v8 is arm64v8, linux/386 i386, windows/amd64 windows-amd64.
func Arch(os, arch, variant string) string {
	name := arch
	switch arch {
	case "amd64", "x86_64":
		name = "amd64"
	case "386", "i386":
		name = "i386"
	case "arm64", "aarch64":
		name = "arm64v8"
	case "arm":
		if variant == "" {
			variant = "v7"
		}
		name = "arm32" + variant
	}
	if os != "" && os != "linux" {
		return os + "-" + name
	}
	return name
}
