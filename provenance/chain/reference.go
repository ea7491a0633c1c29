package chain

import "strings"

// hub gives Docker Hub's repositories one host.
func hub(repository string) string {
	for _, host := range []string{"index.docker.io/", "registry-1.docker.io/"} {
		if rest, ok := strings.CutPrefix(repository, host); ok {
			return "docker.io/" + rest
		}
	}
	return repository
}

// tagBefore is the tag of NAME:TAG@DIGEST, "" without one.
func tagBefore(text string) string {
	text, _, _ = strings.Cut(text, "@")
	_, tag, _ := strings.Cut(text[strings.LastIndex(text, "/")+1:], ":")
	return tag
}

// Split takes a full reference apart; tag and digest are "" where it has none.
func Split(full string) (repository, tag, digest string) {
	full, digest, _ = strings.Cut(full, "@")
	slash := strings.LastIndex(full, "/")
	repository, tag, _ = strings.Cut(full[slash+1:], ":")
	return full[:slash+1] + repository, tag, digest
}

// MayBe reports whether two names can be of one repository. Builders look for a
// name without a host in registries of their own choice.
func MayBe(from, named string) bool {
	a, err := Reference(from)
	b, bad := Reference(named)
	if err != nil || bad != nil {
		return false
	}
	a, _, _ = Split(a)
	b, _, _ = Split(b)
	if host, _, found := strings.Cut(from, "/"); found && strings.ContainsAny(host, ".:") || host == "localhost" {
		return a == b
	}
	return path(a) == path(b)
}

// path is a repository without its host, and without what Docker Hub implies.
func path(repository string) string {
	_, rest, _ := strings.Cut(repository, "/")
	return strings.TrimPrefix(rest, "library/")
}
