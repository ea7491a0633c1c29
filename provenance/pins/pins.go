// Package pins finds in the directives of a Dockerfile what makes the image
// another one when it is built again, or leaves its content to whoever answers
// that day: bases named by tag, downloads that nothing checks, packages without
// a version, and the like.
//
// It reads directives and shell scripts; it runs nothing and fetches nothing.
// What a script does is followed as far as its text decides it: variables that
// are set to one value, functions, loops over words. Where the text does not
// decide, nothing is said against it.
package pins

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// Rule is one thing that a Dockerfile can leave open.
type Rule struct {
	// ID is stable: the check's name.
	ID string
	// Reason is a stable code for what is found, in kebab-case.
	Reason string
	// Passes completes the sentence "passes when …"; Means says in a clause what
	// the reason stands for.
	Passes, Means string
	// Fix says in general what to write instead.
	Fix string
}

// The ids of the rules.
const (
	Base     = "pin.base"
	Download = "pin.download"
	Packages = "pin.packages"
	Latest   = "pin.latest"
	Pipe     = "pin.pipe"
	Key      = "pin.key"
	Upgrade  = "pin.upgrade"
	User     = "pin.user"
	Shell    = "pin.shell"
)

var rules = []Rule{
	{Base, "base-by-tag", "every image that the Dockerfile builds on or copies from is named by digest",
		"an image to build on or copy from is named by a tag, which can be moved", "name it by digest: NAME:TAG@sha256:…"},
	{Download, "download-unchecked", "everything that is downloaded is checked against a checksum, a commit or a signature",
		"something is downloaded and used, and nothing checks what it is", "check it with sha256sum -c, ADD --checksum=sha256:… or gpg --verify"},
	{Packages, "version-open", "every package is installed in a version that is named",
		"a package is installed in whatever version there is that day", "name the version, or install from a dated snapshot of the archive"},
	{Latest, "name-moves", "nothing is fetched by a name that moves, such as latest or a branch",
		"something is fetched by a name that means another thing tomorrow", "name a release or a commit"},
	{Pipe, "piped-to-interpreter", "no download is run as it arrives",
		"a download is run as it arrives, before anything could check it", "download it into a file, check it, then run it"},
	{Key, "key-unchecked", "every key that is fetched is named by its whole fingerprint, or checked",
		"a key is fetched by a short id, which anybody can make another key for, or from an address with nothing that checks it", "name all 40 digits of the fingerprint, or check the file's sum"},
	{Upgrade, "upgrade", "nothing is upgraded to whatever is newest",
		"packages are upgraded to whatever is newest that day", "build on a newer base instead, and name it by digest"},
	{User, "root-user", "the image does not run as root",
		"the image runs as root", "end with USER and a user that is not root"},
	{Shell, "script-unread", "every RUN is in a language that is read here, so that the other pin checks speak of all of them",
		"a RUN is in a language that is not read, or cannot be parsed: what it fetches and installs is not judged", "look at it by hand"},
}

// Rules lists every rule, in report order.
func Rules() []Rule { return slices.Clone(rules) }

// Fact is one thing that is left open.
type Fact struct {
	// Rule is the id of the rule.
	Rule string
	// Line is where it stands in the Dockerfile, from 1.
	Line int
	// What says what is open, Fix what to write instead; each one line that
	// holds text of the Dockerfile.
	What, Fix string
}

// Image is an image that a build reads from.
type Image struct {
	Name string
	Line int
	// How is "FROM", "COPY --from=" or "RUN --mount from=".
	How string
}

// Result is what Inspect found.
type Result struct {
	// Facts are sorted by rule and line.
	Facts []Fact
	// Images are the images that the build reads from, but the one that its
	// target stands on.
	Images []Image
	// Pinned counts, by rule, what was looked at and is in order.
	Pinned map[string]int
}

// maxStages bounds how many stages beside the target's own are looked at,
// maxFacts how many facts are kept of one rule.
const (
	maxStages = 100
	maxFacts  = 100
)

// Inspect looks at the build's directives and at those of the stages that it
// copies from. user is the user that the image runs as, by its config; nil is
// not known.
func Inspect(b *dockerfile.Build, user *string) *Result {
	in := &inspector{result: &Result{Pinned: map[string]int{}}, stages: map[int]bool{}, lines: map[int]bool{}, kept: map[string]int{}}
	in.stage(b)
	for len(in.queue) > 0 && len(in.stages) < maxStages {
		next := in.queue[0]
		in.queue = in.queue[1:]
		o := b.Options
		o.Target, o.BaseEnv, o.BasePartial = strconv.Itoa(next), nil, false
		// A stage that does not evaluate cannot be built: the image's own did.
		if other, err := b.File.Evaluate(o); err == nil {
			in.stage(other)
		}
	}
	in.user(b, user)
	order := map[string]int{}
	for i, r := range rules {
		order[r.ID] = i
	}
	slices.SortStableFunc(in.result.Facts, func(x, y Fact) int {
		return cmp.Or(cmp.Compare(order[x.Rule], order[y.Rule]), cmp.Compare(x.Line, y.Line))
	})
	return in.result
}

// inspector collects facts over the stages of one build.
type inspector struct {
	result *Result
	stages map[int]bool // those looked at, or waiting
	lines  map[int]bool // of directives looked at
	queue  []int
	kept   map[string]int

	target *dockerfile.Build
	// The rest is of the stage at hand.
	build     *dockerfile.Build
	vars      map[string]string
	downloads []*download
}

func (in *inspector) add(rule string, line int, what, fix string) {
	if in.kept[rule]++; in.kept[rule] <= maxFacts {
		in.result.Facts = append(in.result.Facts, Fact{rule, line, what, fix})
	}
}

func (in *inspector) pinned(rule string) { in.result.Pinned[rule]++ }

// stage looks at a build: the stage and those it is FROM.
func (in *inspector) stage(b *dockerfile.Build) {
	in.build, in.vars, in.downloads = b, map[string]string{}, nil
	for _, i := range b.Stages {
		in.stages[i] = true
	}
	in.base(b.Base, b.File.Stages[b.Stages[0]].Line, "FROM")
	if in.target == nil {
		in.target, in.result.Images = b, nil
	}
	for i := range b.Directives {
		d := &b.Directives[i]
		for _, v := range d.Sets {
			in.vars[v.Name] = dockerfile.Readable(v.Value)
		}
		if in.lines[d.Line] {
			continue
		}
		in.directive(d)
	}
	for i := range b.Directives {
		in.lines[b.Directives[i].Line] = true
	}
	in.settle()
}

func (in *inspector) directive(d *dockerfile.Directive) {
	switch {
	case d.Run != nil:
		for _, from := range d.Run.From {
			in.from(from, d.Line, "RUN --mount from=")
		}
		in.run(d)
	case d.Copy != nil && d.Copy.From != "":
		in.from(d.Copy.From, d.Line, "COPY --from=")
	case d.Copy != nil:
		in.addURLs(d)
	}
}
