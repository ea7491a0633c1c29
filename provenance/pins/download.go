package pins

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// download is something that a directive fetches.
type download struct {
	line int
	// by is the program, url what it is told to fetch, file where it puts it;
	// "" for what goes on to another program.
	by, url, file string
	fix           string
	git           bool
	// key says that it is used as a key, signature that it is one, list that it
	// is a list of checksums.
	key, signature bool
	// checked says that a checksum or commit pins what it is, signed that a
	// signature is checked, unheeded that a check's failure stops nothing.
	checked, signed, unheeded bool
}

// fetched takes up a download.
func (in *inspector) fetched(d *download) {
	d.url = strings.TrimSpace(d.url)
	if isLocal(d.url) || d.file == "/dev/null" {
		return
	}
	d.key = d.key || keyFile(d.file) || keyFile(d.url)
	in.downloads = append(in.downloads, d)
}

// settle states what became of the stage's downloads.
func (in *inspector) settle() {
	for _, d := range in.downloads {
		if !d.checked && moves(d.url) && !d.signature {
			in.add(Latest, d.line, d.by+" fetches "+d.url+", a name that moves", "name a release or a commit")
		}
		rule := Download
		if d.key {
			rule = Key
		}
		switch {
		case d.signature:
		case d.checked || d.signed:
			in.pinned(rule)
		case d.unheeded:
			in.add(rule, d.line, d.by+" fetches "+d.url+"; a check follows, whose failure does not stop the build", "begin the RUN with set -e, or join its commands with &&")
		case d.key:
			in.add(rule, d.line, d.by+" fetches the key "+d.url+", and nothing checks that it is the right one", "check its sum, or import it by its whole fingerprint")
		case d.git:
			in.add(rule, d.line, d.by+" fetches "+d.url+" without naming a commit", fixOr(d.fix, "check out a commit by its whole id"))
		default:
			in.add(rule, d.line, d.by+" fetches "+d.url+", and nothing checks what it is", fixOr(d.fix, checkFix(d.file)))
		}
	}
}

func fixOr(fix, other string) string {
	if fix != "" {
		return fix
	}
	return other
}

func checkFix(file string) string {
	if file == "" {
		return "download it into a file and check that: echo \"SHA256  FILE\" | sha256sum -c -"
	}
	return "check it: echo \"SHA256  " + file + "\" | sha256sum -c -"
}

// isLocal reports whether a URL leads to the build's own machine.
func isLocal(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := u.Hostname()
	if u.Scheme == "" {
		host, _, _ = strings.Cut(address, "/")
		host, _, _ = strings.Cut(host, ":")
	}
	return u.Scheme == "file" || host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1"
}

// gitHosts serve files of a branch by the branch's name.
var gitHosts = []string{"github.com", "raw.githubusercontent.com", "codeload.github.com", "gitlab.com", "bitbucket.org", "codeberg.org"}

// moves reports whether a URL's path holds a name that means another thing
// tomorrow.
func moves(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return strings.Contains(address, "/latest/")
	}
	if u.Fragment == "latest" {
		return true
	}
	for _, part := range strings.Split(u.Path, "/") {
		words := strings.FieldsFunc(strings.ToLower(part), func(r rune) bool { return r == '-' || r == '.' || r == '_' })
		if slices.Contains(words, "latest") || part == "nightly" {
			return true
		}
		if slices.Contains(gitHosts, u.Hostname()) && len(words) > 0 && slices.Contains([]string{"master", "main", "head", "develop", "trunk"}, words[0]) {
			return true
		}
	}
	return strings.Contains(u.Path, "/refs/heads/")
}

// keyFile reports whether a path or URL is that of a signing key.
func keyFile(name string) bool {
	for _, dir := range []string{"/keyrings/", "/trusted.gpg.d/", "/apk/keys/", "/rpm-gpg/"} {
		if strings.Contains(name, dir) {
			return true
		}
	}
	base := lastOf(name)
	for _, suffix := range []string{".asc", ".gpg", ".key", ".rsa.pub"} {
		if strings.HasSuffix(base, suffix) {
			return true
		}
	}
	return base == "KEYS" || strings.Contains(name, "://") && base == "gpg"
}

// lastOf is the last component of a URL's path or of a path.
func lastOf(name string) string {
	name, _, _ = strings.Cut(name, "?")
	name, _, _ = strings.Cut(name, "#")
	return path.Base(name)
}

// sameFile reports whether two names can be of one file: working directories
// are not followed, so that a relative name is compared by its last component.
func sameFile(a, b string) bool {
	if path.IsAbs(a) && path.IsAbs(b) {
		return path.Clean(a) == path.Clean(b)
	}
	return path.Base(a) == path.Base(b)
}

// find are the downloads whose file has the name, the newest first.
func (in *inspector) find(name string) []*download {
	var out []*download
	for _, d := range slices.Backward(in.downloads) {
		if d.file != "" && name != "" && sameFile(d.file, name) {
			out = append(out, d)
		}
	}
	return out
}

// check notes that a file's sum is compared; heeded says that the build stops
// where it is another one.
func (in *inspector) check(name string, heeded bool) {
	for _, d := range in.find(name) {
		d.checked, d.unheeded = d.checked || heeded, !heeded
	}
}

// trusted reports whether a file is checked, or is not a download.
func (in *inspector) trusted(name string) bool {
	found := in.find(name)
	return !slices.ContainsFunc(found, func(d *download) bool { return !d.checked && !d.signed })
}

// checkList notes that files are compared with a list of sums in a file.
// words are what the list was searched for.
func (in *inspector) checkList(list string, words []string, heeded bool) {
	if !in.trusted(list) {
		return // whoever answers for the files answers for the list
	}
	// What the lines of a list name is not known here: the files that the search
	// names, else all that were fetched before.
	named := func(d *download) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, lastOf(d.file)) })
	}
	some := slices.ContainsFunc(in.downloads, func(d *download) bool { return d.file != "" && named(d) })
	for _, d := range in.downloads {
		if d.file != "" && (named(d) || !some) {
			in.check(d.file, heeded)
		}
	}
}

// sign notes that a signature over a file is checked. A signature's own file is
// nothing to be checked any more.
func (in *inspector) sign(signature string, files []string, heeded bool) {
	if len(files) == 0 {
		// Alone it is either detached, from the file of its name, or holds what
		// it signs.
		bare := signature
		for _, suffix := range []string{".asc", ".sig", ".gpg", ".sign"} {
			bare = strings.TrimSuffix(bare, suffix)
		}
		files = []string{bare, signature}
	}
	for _, d := range in.find(signature) {
		d.signature, d.key = true, false
	}
	for _, file := range files {
		for _, d := range in.find(file) {
			d.signed, d.unheeded = d.signed || heeded, !heeded
		}
	}
}
