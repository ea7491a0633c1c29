package pins

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// from looks at what a COPY or a mount is taken from: a stage, an image, or a
// context that the builder is given by name.
func (in *inspector) from(name string, line int, how string) {
	if i, ok := in.build.File.StageOf(name, in.stageAt(line)); ok {
		if !in.stages[i] {
			in.stages[i] = true
			in.queue = append(in.queue, i)
		}
		return
	}
	in.base(name, line, how)
}

// stageAt is the stage that a line stands in.
func (in *inspector) stageAt(line int) int {
	at := 0
	for i, s := range in.build.File.Stages {
		if s.Line <= line {
			at = i
		}
	}
	return at
}

// base judges the name of an image.
func (in *inspector) base(name string, line int, how string) {
	shown := dockerfile.Readable(name)
	if name == dockerfile.Scratch {
		return
	}
	if len(in.result.Images) < maxFacts {
		in.result.Images = append(in.result.Images, Image{shown, line, how})
	}
	switch {
	case strings.Contains(name, "@sha256:") || strings.Contains(name, "@sha512:"):
		in.pinned(Base)
		return
	case shown != name:
		return // an argument's value decides
	}
	what := fmt.Sprintf("%s%s is a tag, which can be moved", spaced(how), shown)
	fix := "name it by digest: " + shown + "@sha256:…"
	if tagOf(name) == "" {
		what = fmt.Sprintf("%s%s names no tag: it means latest, which moves", spaced(how), shown)
		fix = "name it by tag and digest: " + shown + ":TAG@sha256:…"
	}
	in.add(Base, line, what, fix)
}

// spaced is the word with a space behind it, unless it ends in "=".
func spaced(how string) string {
	if strings.HasSuffix(how, "=") {
		return how
	}
	return how + " "
}

// tagOf is what follows the last ":" of a reference, "" without one.
func tagOf(name string) string {
	last := name[strings.LastIndex(name, "/")+1:]
	_, tag, _ := strings.Cut(last, ":")
	return tag
}

// user judges the user that the image runs as.
func (in *inspector) user(b *dockerfile.Build, user *string) {
	name, line := b.Config.User, b.File.Stages[b.Stages[len(b.Stages)-1]].Line
	for _, d := range b.Directives {
		line = d.Line
	}
	for _, d := range b.Directives {
		if d.Name == "USER" {
			line = d.Line
		}
	}
	if user != nil {
		name = *user
	} else if name == "" && b.Base != dockerfile.Scratch {
		in.add(User, line, "no USER: it runs as its base says, which is root unless the base says otherwise", "end with USER and a user that is not root")
		return
	}
	name = dockerfile.Readable(name)
	switch account, _, _ := strings.Cut(name, ":"); {
	case name == "":
		in.add(User, line, "no USER: it runs as root", "end with USER and a user that is not root")
	case account == "root" || strings.Trim(account, "0") == "" && account != "":
		in.add(User, line, "USER "+name+": it runs as root", "end with USER and a user that is not root")
	default:
		in.pinned(User)
	}
}

var commitID = regexp.MustCompile(`^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)

// addURLs looks at an ADD that downloads.
func (in *inspector) addURLs(d *dockerfile.Directive) {
	for _, source := range d.Copy.Sources {
		url := dockerfile.Readable(source)
		if _, inline := d.Copy.Inline[source]; inline || !remote(url) {
			continue
		}
		if d.Copy.Checksum != "" {
			in.pinned(Download)
			continue
		}
		if isGit(url) {
			in.addRepository(url, d.Line)
			continue
		}
		file := d.Copy.Dest
		if d.Copy.DestIsDir {
			file = strings.TrimSuffix(file, "/") + "/" + lastOf(url)
		}
		in.fetched(&download{line: d.Line, by: "ADD", url: url, file: dockerfile.Readable(file),
			fix: "ADD --checksum=sha256:…"})
	}
}

// addRepository looks at an ADD of a git repository.
func (in *inspector) addRepository(url string, line int) {
	_, fragment, _ := strings.Cut(url, "#")
	commit, _, _ := strings.Cut(fragment, ":")
	in.fetched(&download{line: line, by: "ADD", url: url, git: true, checked: commitID.MatchString(commit),
		fix: "name a commit: …#COMMIT"})
}

// remote reports whether an ADD's source is not of the context.
func remote(source string) bool {
	return strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://") || isGit(source)
}

// isGit reports whether an ADD's source is a git repository.
func isGit(source string) bool {
	address, _, _ := strings.Cut(source, "#")
	return strings.HasPrefix(source, "git@") || strings.Contains(address, "://") && (strings.HasPrefix(address, "git://") || strings.HasPrefix(address, "ssh://") || strings.HasSuffix(address, ".git"))
}
