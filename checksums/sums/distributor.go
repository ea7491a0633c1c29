package sums

import (
	"net/url"
	"strings"
)

// Place says where a distributor keeps a checksum file.
type Place string

const (
	// RepositoryRoot is the root of the repository, in the commit that has
	// the tarball; names in the list are paths from there, or base names.
	RepositoryRoot Place = "repository root"
	// BesideTarball is the tarball's own folder, in the same commit.
	BesideTarball Place = "beside the tarball"
)

// List is one checksum file that a distributor publishes.
type List struct {
	Where Place
	// File is the list's name in its folder.
	File string
	// Algorithm is what its digests are.
	Algorithm string
	// Independent is whether the list comes another way than the tarball, so
	// that changing both takes two breaches. It is false for a list in the
	// tarball's own commit.
	Independent bool
}

// Distributor is somebody whose images are made of tarballs that have a
// published checksum file.
type Distributor struct {
	Name string
	// Repositories are the URLs that hold the tarballs.
	Repositories []string
	Lists        []List
}

// distributors is the table of those known. Sources: the repositories
// themselves.
var distributors = []Distributor{
	{
		Name:         "Alpine Linux",
		Repositories: []string{"https://github.com/alpinelinux/docker-alpine"},
		Lists:        []List{{Where: RepositoryRoot, File: "checksums.sha512", Algorithm: "sha512"}},
	},
}

// Find returns the distributor of a repository. URLs are compared after
// scheme, user, case of the host, trailing slash and ".git" are dropped.
func Find(repository string) (Distributor, bool) {
	wanted := normalize(repository)
	if wanted == "" {
		return Distributor{}, false
	}
	for _, d := range distributors {
		for _, known := range d.Repositories {
			if normalize(known) == wanted {
				return d, true
			}
		}
	}
	return Distributor{}, false
}

// normalize returns host and path of a repository's URL, "" when it has none.
// The form of scp ("git@host:path") is understood too.
func normalize(repository string) string {
	if !strings.Contains(repository, "://") {
		user, rest, found := strings.Cut(repository, "@")
		if !found || strings.ContainsAny(user, "/:") {
			rest = repository
		}
		repository = "ssh://" + strings.Replace(rest, ":", "/", 1)
	}
	u, err := url.Parse(repository)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return ""
	}
	path := strings.TrimSuffix(strings.TrimRight(u.Path, "/"), ".git")
	return strings.ToLower(u.Host) + strings.TrimRight(path, "/")
}
