package source

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// knownHosts are the hosts that serve over https what they serve, or served,
// over git:// and http://.
var knownHosts = map[string]bool{
	"github.com": true, "gitlab.com": true,
	"bitbucket.org": true, "salsa.debian.org": true, "codeberg.org": true,
	"pagure.io": true, "git.launchpad.net": true, "opendev.org": true,
}

// NormalizeURL reduces a repository URL to what tells repositories apart:
// scheme, user, a default port, query, the host's case, trailing slashes and
// ".git" are dropped. The scp form (git@host:path) gives the same as the URL.
func NormalizeURL(u string) string {
	host, rest := splitURL(strings.TrimSpace(u))
	rest = strings.Trim(rest, "/")
	rest = strings.TrimRight(strings.TrimSuffix(rest, ".git"), "/")
	host = normalHost(host)
	switch {
	case host == "":
		return rest
	case rest == "":
		return host
	}
	return host + "/" + rest
}

// splitURL takes a URL apart without judging it. Fragments and queries name no
// repository and are cut off.
func splitURL(u string) (host, rest string) {
	if i := strings.IndexAny(u, "?#"); i >= 0 {
		u = u[:i]
	}
	scheme, after, hasScheme := strings.Cut(u, "://")
	if hasScheme && !strings.Contains(scheme, "/") {
		u = after
	} else if before, path, ok := strings.Cut(u, ":"); ok && !strings.Contains(before, "/") && !strings.HasPrefix(path, "//") && !digits(path) {
		u = before + "/" + path // git@host:path
	}
	host, rest, _ = strings.Cut(u, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	return host, rest
}

// digits reports whether text starts like a port: digits up to "/" or its end.
func digits(text string) bool {
	port, _, _ := strings.Cut(text, "/")
	return port != "" && strings.Trim(port, "0123456789") == ""
}

func normalHost(host string) string {
	host = strings.ToLower(host)
	for _, port := range []string{":443", ":80", ":9418", ":22"} {
		host = strings.TrimSuffix(host, port)
	}
	return host
}

// fetchURL returns the https URL under which a repository may be fetched, or
// ErrScheme. git:// and http:// are rewritten for hosts known to serve https.
func fetchURL(repository string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(repository))
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%s: %w", redactURL(repository), ErrScheme)
	}
	known := knownHosts[strings.ToLower(u.Hostname())]
	switch {
	case u.Scheme == "https":
	case (u.Scheme == "git" || u.Scheme == "http") && known:
		u.Scheme, u.Host = "https", u.Hostname()
	default:
		return "", fmt.Errorf("%s: %w", redactURL(repository), ErrScheme)
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u.String(), nil
}

// redactURL returns a URL without user, query and fragment, for messages.
func redactURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the repository's URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// mirrorPath finds the local mirror of a repository. A full match wins over a
// prefix, a longer prefix over a shorter one; below a prefix the first of
// PATH/rest and PATH/rest.git that exists is taken.
func mirrorPath(mirrors map[string]string, repository string) (string, bool, error) {
	want := NormalizeURL(repository)
	var prefixes []string
	for given, dir := range mirrors {
		name := NormalizeURL(given)
		if name == want && !strings.HasSuffix(given, "/") {
			return existing(repository, dir)
		}
		if strings.HasSuffix(given, "/") && strings.HasPrefix(want, name+"/") {
			prefixes = append(prefixes, given)
		}
	}
	sort.Slice(prefixes, func(i, j int) bool { return len(NormalizeURL(prefixes[i])) > len(NormalizeURL(prefixes[j])) })
	for _, given := range prefixes {
		rest := strings.TrimPrefix(want, NormalizeURL(given)+"/")
		if path.Clean("/"+rest) != "/"+rest {
			continue // a rest with ".." in it names no folder below the prefix
		}
		base := filepath.Join(mirrors[given], filepath.FromSlash(rest))
		for _, dir := range []string{base, base + ".git"} {
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				return dir, true, nil
			}
		}
	}
	return "", false, nil
}

// existing checks a mirror that was named in full: one that is missing is an
// error, never a reason to go to the network.
func existing(repository, dir string) (string, bool, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", false, fmt.Errorf("mirror of %s: %w: %w", redactURL(repository), ErrNotRepository, err)
	}
	if !info.IsDir() {
		return "", false, fmt.Errorf("mirror of %s: %s: %w", redactURL(repository), dir, ErrNotRepository)
	}
	return dir, true, nil
}
