package pins

import (
	"path"
	"slices"
	"strings"
)

// options are the flags of a program that take a value; shorts are letters,
// longs begin with "--".
type options struct {
	shorts string
	longs  []string
}

// parse takes arguments apart: what is no flag, and the flags with their
// values, in order. A short flag may stand in a cluster, its value behind it or
// in the next argument.
func (o options) parse(args []string) (rest []string, flags [][2]string) {
	for i := 0; i < len(args); i++ {
		a := args[i]
		next := func() string {
			if i++; i < len(args) {
				return args[i]
			}
			return ""
		}
		switch {
		case a == "--":
			return append(rest, args[i+1:]...), flags
		case strings.HasPrefix(a, "--"):
			name, value, given := strings.Cut(a, "=")
			if !given && slices.Contains(o.longs, name) {
				value = next()
			}
			flags = append(flags, [2]string{name, value})
		case len(a) > 1 && a[0] == '-':
			for j := 1; j < len(a); j++ {
				name, value := "-"+a[j:j+1], ""
				if strings.IndexByte(o.shorts, a[j]) >= 0 {
					if value = a[j+1:]; value == "" {
						value = next()
					}
					j = len(a)
				}
				flags = append(flags, [2]string{name, value})
			}
		default:
			rest = append(rest, a)
		}
	}
	return rest, flags
}

func has(flags [][2]string, names ...string) bool {
	return slices.ContainsFunc(flags, func(f [2]string) bool { return slices.Contains(names, f[0]) })
}

func valuesOf(flags [][2]string, names ...string) []string {
	var out []string
	for _, f := range flags {
		if slices.Contains(names, f[0]) {
			out = append(out, f[1])
		}
	}
	return out
}

// The flags of curl and wget that take a value; see their manuals.
var (
	curlOptions = options{"oHAbcdeFKmuUwxXyYzCETQrt", []string{"--output", "--header", "--user-agent", "--cookie", "--cookie-jar", "--data",
		"--data-raw", "--data-binary", "--data-urlencode", "--form", "--referer", "--config", "--max-time", "--user", "--write-out", "--proxy",
		"--request", "--cert", "--key", "--cacert", "--capath", "--continue-at", "--connect-timeout", "--retry", "--retry-delay",
		"--retry-max-time", "--proto", "--proto-default", "--proto-redir", "--tls-max", "--ciphers", "--output-dir", "--range", "--url", "--upload-file", "--limit-rate", "--resolve", "--max-redirs", "--interface"}}
	wgetOptions = options{"OoaetTwQPUlARDIXiB", []string{"--output-document", "--output-file", "--append-output", "--tries", "--timeout",
		"--wait", "--quota", "--directory-prefix", "--user-agent", "--header", "--input-file", "--user", "--password", "--post-data",
		"--post-file", "--ca-certificate", "--level", "--accept", "--reject", "--waitretry", "--connect-timeout", "--read-timeout", "--dns-timeout", "--secure-protocol", "--progress", "--method", "--body-data", "--referer", "--load-cookies"}}
)

// curl follows a download with curl.
func (s *script) curl(args []string, line int, u use) {
	urls, flags := curlOptions.parse(args)
	urls = append(urls, valuesOf(flags, "--url")...)
	if has(flags, "-I", "--head", "-T", "--upload-file") {
		return
	}
	files := valuesOf(flags, "-o", "--output")
	remote := has(flags, "-O", "--remote-name", "--remote-name-all")
	for i, url := range urls {
		file := ""
		switch {
		case i < len(files):
			file = files[i]
		case remote:
			file = lastOf(url)
		}
		s.fetch("curl", url, file, line, u)
	}
}

// wget follows a download with wget.
func (s *script) wget(args []string, line int, u use) {
	urls, flags := wgetOptions.parse(args)
	if has(flags, "--spider") {
		return
	}
	files := valuesOf(flags, "-O", "--output-document")
	for _, url := range urls {
		file := lastOf(url)
		if len(files) > 0 {
			file = files[0]
		}
		s.fetch("wget", url, file, line, u)
	}
}

// fetch takes up what a program downloads: into a file, into another program,
// or to be run.
func (s *script) fetch(by, url, file string, line int, u use) {
	shown := s.values(url)[0]
	if isLocal(shown) {
		return
	}
	if file == "" || file == "-" || file == "/dev/stdout" {
		if file = u.out; file == "" {
			s.stream(by, shown, line, u)
			return
		}
	}
	s.in.fetched(&download{line: line, by: by, url: shown, file: file})
}

// stream takes up a download that goes on to other programs or is a value.
func (s *script) stream(by, url string, line int, u use) {
	d := &download{line: line, by: by, url: url}
	if u.taken && u.run && len(u.into) == 0 {
		s.in.add(Pipe, line, by+" fetches "+url+", which is run as it arrives", "download it into a file, check it, then run it")
		return
	}
	for _, c := range u.into {
		if len(c) == 0 {
			continue
		}
		name := path.Base(c[0])
		switch {
		case runsInput(c):
			s.in.add(Pipe, line, by+" fetches "+url+", which "+name+" runs as it arrives", "download it into a file, check it, then run it")
			return
		case name == "apt-key", name == "gpg" || name == "gpg2" || name == "gpg1", name == "rpm":
			d.key = true
			_, flags := gpgOptions.parse(c[1:])
			if out := valuesOf(flags, "-o", "--output"); len(out) > 0 {
				d.file = out[0]
			}
		case name == "tee" && len(c) > 1:
			d.file = c[len(c)-1]
		}
	}
	if d.file == "" && u.compared {
		return // an answer that is looked at, not kept
	}
	s.in.fetched(d)
}

// runsInput reports whether a command runs what it reads.
func runsInput(c []string) bool {
	if !isInterpreter(c[0]) {
		return false
	}
	for _, a := range c[1:] {
		switch {
		case a == "-" || a == "-s" || a == "/dev/stdin":
			return true
		case strings.HasPrefix(a, "--"):
		case strings.HasPrefix(a, "-") && strings.ContainsAny(a[1:], "cmnp"):
			return false
		case strings.HasPrefix(a, "-") && strings.Contains(a, "s") && slices.Contains(shells, path.Base(c[0])):
			return true
		case strings.HasPrefix(a, "-"):
		default:
			return false
		}
	}
	return true
}

var gitOptions = options{"bcCou", []string{"--branch", "--depth", "--config", "--origin", "--upload-pack", "--reference", "--separate-git-dir", "--git-dir", "--work-tree", "--filter", "--jobs", "--shallow-since"}}

// git follows a clone and what is checked out of it.
func (s *script) git(args []string, line int, u use) {
	rest, _ := gitOptions.parse(args)
	if len(rest) == 0 {
		return
	}
	switch rest[0] {
	case "clone":
		if len(rest) > 1 && !strings.HasPrefix(rest[1], ".") && !strings.HasPrefix(rest[1], "/") {
			s.in.fetched(&download{line: line, by: "git clone", url: s.values(rest[1])[0], git: true})
		}
	case "checkout", "reset", "switch", "fetch", "verify-commit", "verify-tag":
		// An id that only a variable knows is not held against the build.
		for _, id := range rest[1:] {
			if commitID.MatchString(id) || strings.HasPrefix(id, "${") || strings.HasPrefix(rest[0], "verify-") {
				s.pinRepository(u)
			}
		}
	case "rev-parse":
		if u.compared {
			s.pinRepository(u)
		}
	}
}

// pinRepository notes that the newest clone is set to a commit.
func (s *script) pinRepository(u use) {
	for _, d := range slices.Backward(s.in.downloads) {
		if d.git {
			d.checked, d.unheeded = d.checked || u.heeded, !u.heeded
			return
		}
	}
}
