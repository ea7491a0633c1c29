package sums

import (
	"net/url"
	"strings"
)

// Distributor is somebody whose images are made of archives that have a
// published checksum file or signature.
type Distributor struct {
	Name string
	// Repositories are the URLs that hold the archives.
	Repositories []string
	// Lists are the checksum files in the commit that has the archive. At most
	// one of them speaks of any one archive (List.Covers).
	Lists []List
	// Published are those at the distributor's own addresses.
	Published []List
	// Serial is where a commit tells the serial of its build.
	Serial SerialFile
	// Keys sign the lists or archives; any one of them will do.
	Keys []Key
	// Hashes are what a signature may be made over: "SHA1", "SHA256", "SHA384",
	// "SHA512". Anything else is ErrWeakHash.
	Hashes []string
}

// Key is an OpenPGP key that a distributor signs with.
type Key struct {
	// Fingerprint is the primary key's, 40 hexadecimal digits in upper case.
	Fingerprint string
	// UserID is the name that the key carries. Anybody can make a key of that
	// name: it is never a reason to accept one.
	UserID string
	// Source says where the fingerprint is published.
	Source string
	// Home is an address at which the distributor keeps the key; "" for none.
	Home string
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

// ListOf returns the list in the commit that speaks of an archive.
func (d Distributor) ListOf(archive string) (List, bool) { return listOf(d.Lists, archive) }

// PublishedOf returns the list at the distributor's own address that speaks of
// an archive.
func (d Distributor) PublishedOf(archive string) (List, bool) { return listOf(d.Published, archive) }

func listOf(lists []List, archive string) (List, bool) {
	for _, l := range lists {
		if l.Covers(archive) {
			return l, true
		}
	}
	return List{}, false
}

// Addresses are where the key can be had, the distributor's own first. What
// comes from there counts only by its fingerprint.
//
// The forms are those of the key servers' manuals: the HKP look-up that
// docker-brew-ubuntu-core's verify.sh relies on, and
// https://keys.openpgp.org/about/api.
func (k Key) Addresses() []string {
	addresses := []string{
		"https://keyserver.ubuntu.com/pks/lookup?op=get&options=mr&search=0x" + k.Fingerprint,
		"https://keys.openpgp.org/vks/v1/by-fingerprint/" + k.Fingerprint,
	}
	if k.Home != "" {
		addresses = append([]string{k.Home}, addresses...)
	}
	return addresses
}

// Command is a shell command that fetches the key into a file.
func (k Key) Command(file string) string {
	return "curl --fail --location --output " + file + " '" + k.Addresses()[0] + "'"
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
