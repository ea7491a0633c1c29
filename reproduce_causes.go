package verify

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/imageverify/verify/checksums/filetree"
	"github.com/imageverify/verify/rebuild/packages"
)

// maxExamples is how many of its paths a cause names.
const maxExamples = 5

// discrepancy is a difference between a rebuilt and the published image with
// all that is known to explain it.
type discrepancy struct {
	Discrepancy
	// noise names the known noise that it is.
	noise string
	// unsteady says that the rebuilds differ in it among themselves.
	unsteady bool
	// run says that a RUN made it.
	run bool
	// base says that it is in a layer of the base image.
	base bool
	// pkg is the package that has the path, where its version differs.
	pkg *packages.Change
	// packaged says that some package's version differs.
	packaged bool
}

// causeKey is what differences of one cause have in common.
type causeKey struct {
	name    string
	kind    CauseKind
	subject string
}

// causeText says what a cause is, and what would mend it.
type causeText struct{ summary, fix string }

// causeTexts explain every cause but known noise; docs/reproduce.md lists them.
var causeTexts = map[string]causeText{
	"base-differs":     {"the base image that was built on is another one", "pin the base by its digest: FROM NAME@sha256:…"},
	"package-version":  {"the package has another version", "pin the version, or install from a snapshot of the repository"},
	"package-added":    {"only the published image has the package", "pin what is installed, or install from a snapshot of the repository"},
	"package-missing":  {"only the rebuilt image has the package", "pin what is installed, or install from a snapshot of the repository"},
	"package-database": {"it lists the packages whose versions differ", "pin the packages; it follows them"},
	"build-time":       {"the time of the build is written into it", "write no time, or take it from SOURCE_DATE_EPOCH"},
	"unsteady-content": {"each build writes something else: a random number, an id, a key, or a list in no fixed order", "leave it out of the image, or make it of something that does not change"},
	"unsteady-names":   {"each build makes files of other names", "remove temporary files in the same RUN"},
	"unsteady":         {"each build leaves it otherwise", "set it in the same RUN, last"},
	"content":          {"the content is not the source's", "build the published image from this commit"},
	"run-content":      {"RUN makes another content", "pin what it reads from outside of the source: versions, digests, commits"},
	"type":             {"it is another kind of entry", "build the published image from this commit"},
	"missing":          {"the build makes it, and the published image does not have it", "build the published image from this commit"},
	"added":            {"the published image has it, and the build does not make it", "add files by a directive of the Dockerfile alone"},
	"mode":             {"the permissions are others", "set them in the Dockerfile: COPY --chmod, or chmod in the same RUN"},
	"owner":            {"the owner is another one", "set it in the Dockerfile: COPY --chown, or chown in the same RUN; give users fixed numbers"},
	"xattr":            {"the extended attributes are others", "build on a file system that keeps extended attributes"},
	"link":             {"the link leads elsewhere, or two names are no longer one file", "make links in the Dockerfile; copy with what keeps hard links"},
	"time":             {"the modification time is another one", "set SOURCE_DATE_EPOCH, and let the builder rewrite timestamps"},
	"order":            {"the entries stand in another order", "build with the same builder and version"},
	"duplicate":        {"the archive has several entries for it", "build with the same builder and version"},
	"format":           {"the archive or the manifest says it in another way", "build with the same builder and version"},
	"config":           {"the config says something else", "build with the same arguments, labels and builder"},
	"config-empty":     {"members stand there that say nothing, or are left out", "build with the same builder and version"},
	"annotation":       {"the manifest's annotations are others", "give the builder the same annotations"},
}

// noiseFixes say what keeps known noise from arising.
var noiseFixes = map[string]string{
	"time":           "set SOURCE_DATE_EPOCH, and let the builder rewrite timestamps",
	"package-log":    "remove the logs of apt and dpkg in the same RUN",
	"log":            "remove the logs in the same RUN",
	"ldconfig-cache": "remove /var/cache/ldconfig/aux-cache in the same RUN",
	"machine-id":     "empty /etc/machine-id in the same RUN",
	"pyc-stamp":      "set PYTHONDONTWRITEBYTECODE=1, or compile with --invalidation-mode unchecked-hash",
	"apk-db-order":   "install with one apk add, in a fixed order",
	"gzip-header":    "compress with gzip -n",
	noiseForm:        "build with the same builder and version",
	noiseCompression: "build with the same builder and version, which compress alike",
}

// causesOf groups differences by what causes them, the causes that touch most
// paths first, and tells each difference its cause.
func causesOf(list []discrepancy) []Cause {
	causes := map[causeKey]*Cause{}
	seen := map[causeKey]map[string]bool{}
	keys := make([]causeKey, len(list))
	for i := range list {
		d := &list[i]
		key := causeOf(d)
		keys[i] = key
		c := causes[key]
		if c == nil {
			c = newCause(key, d)
			causes[key], seen[key] = c, map[string]bool{}
		}
		// A path counts once, in however many classes it differs.
		if where := string(d.PathBytes) + "\x00" + d.Path; !seen[key][where] {
			seen[key][where] = true
			c.touch(d)
		}
	}
	order := make([]causeKey, 0, len(causes))
	for key := range causes {
		order = append(order, key)
	}
	slices.SortFunc(order, func(a, b causeKey) int {
		return cmp.Or(cmp.Compare(causes[b].Files, causes[a].Files), cmp.Compare(worth(b.kind), worth(a.kind)),
			cmp.Compare(a.name, b.name), cmp.Compare(a.subject, b.subject))
	})
	out, place := []Cause{}, map[causeKey]int{}
	for i, key := range order {
		place[key] = i
		out = append(out, *causes[key])
	}
	for i := range list {
		list[i].Cause = place[keys[i]]
	}
	return out
}

// worth orders causes that touch equally many files.
func worth(k CauseKind) int {
	return slices.Index([]CauseKind{KnownNoise, BuilderNoise, RealDifference}, k)
}

func newCause(key causeKey, d *discrepancy) *Cause {
	c := &Cause{Name: key.name, Kind: key.kind, Subject: key.subject, Directives: []CausingDirective{}, Examples: []string{}}
	text := causeTexts[key.name]
	if key.kind == KnownNoise {
		text = causeText{noiseWhy(key.name), noiseFixes[key.name]}
	}
	c.Summary, c.Fix = text.summary, text.fix
	if p := d.pkg; p != nil && key.subject == p.Name {
		c.Summary, c.Fix = packageText(p, text)
	}
	return c
}

// packageText names the versions, and the one to ask for.
func packageText(p *packages.Change, text causeText) (summary, fix string) {
	if p.A != "" && p.B != "" {
		return fmt.Sprintf("%s: %s when rebuilt, %s in the published image", text.summary, p.A, p.B),
			fmt.Sprintf("pin %s=%s, or install from a snapshot of the repository", p.Name, p.B)
	}
	return fmt.Sprintf("%s (%s)", text.summary, p.A+p.B), text.fix
}

func noiseWhy(name string) string {
	for _, n := range filetree.Noises() {
		if n.Name == name {
			return n.Why
		}
	}
	return map[string]string{
		noiseForm:        "the layers have the same entries, and their archives' bytes differ",
		noiseCompression: "the layers are equal, and compressed in two ways",
	}[name]
}

// touch counts one more path.
func (c *Cause) touch(d *discrepancy) {
	c.Files++
	if len(c.Examples) < maxExamples {
		c.Examples = append(c.Examples, d.Path)
	}
	if d.Line == 0 && !d.base {
		return
	}
	i, found := slices.BinarySearchFunc(c.Directives, d.Line, func(x CausingDirective, line int) int { return cmp.Compare(x.Line, line) })
	if !found {
		c.Directives = slices.Insert(c.Directives, i, CausingDirective{Line: d.Line})
	}
	c.Directives[i].Files++
}

// causeOf says what is behind a difference: the base image, a package, what is
// known to differ, what the rebuilds do not agree on, or else its own class.
func causeOf(d *discrepancy) causeKey {
	switch {
	case d.base:
		return causeKey{"base-differs", RealDifference, ""}
	case d.pkg != nil:
		return causeKey{packageCause(d.pkg), RealDifference, d.pkg.Name}
	case d.packaged && packages.IsDatabase(d.Path):
		return causeKey{"package-database", RealDifference, ""}
	case d.noise != "":
		return causeKey{d.noise, KnownNoise, ""}
	case d.unsteady:
		return causeKey{unsteadyCause(d), BuilderNoise, ""}
	case d.Class == string(filetree.Content) && tellsTime(d.Change):
		return causeKey{"build-time", RealDifference, ""}
	}
	if d.Class == string(filetree.Content) && d.run {
		return causeKey{"run-content", RealDifference, ""}
	}
	if d.Class == classConfig && saysNothing(d.Rebuilt) && saysNothing(d.Published) {
		return causeKey{"config-empty", RealDifference, ""}
	}
	return causeKey{d.Class, RealDifference, ""}
}

// saysNothing reports whether a member of the config is absent or the zero
// value, which mean the same to whoever runs the image.
func saysNothing(value string) bool {
	return slices.Contains([]string{"", "null", "false", `""`, "[]", "{}", "0"}, value)
}

func packageCause(p *packages.Change) string {
	switch {
	case p.A == "":
		return "package-added"
	case p.B == "":
		return "package-missing"
	}
	return "package-version"
}

func unsteadyCause(d *discrepancy) string {
	switch d.Class {
	case string(filetree.Content):
		if tellsTime(d.Change) {
			return "build-time"
		}
		return "unsteady-content"
	case classMissing, classAdded:
		return "unsteady-names"
	}
	return "unsteady"
}

// clock finds what looks like a time or a date: RFC 3339 and its like, the time
// of day, the names of days and months as date(1) writes them, and seconds
// since 1970 of this century.
var clock = regexp.MustCompile(`(?i)\b(?:\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?|\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?(?: ?[AP]M\b)?|\d{4}/\d\d/\d\d|` +
	`(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+(?:\d{1,2}\s+)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\s+\d{1,2}|[12]\d{9}(?:\d{3}|\d{6}|\d{9})?\b)`)

// tellsTime reports whether the lines of a change differ in times alone: the
// lines that were removed are those that were added but for what looks like a
// time.
func tellsTime(change []string) bool {
	var was, is []string
	for _, line := range change {
		switch {
		case strings.HasPrefix(line, "-"):
			was = append(was, clock.ReplaceAllString(line[1:], "\x00"))
		case strings.HasPrefix(line, "+"):
			is = append(is, clock.ReplaceAllString(line[1:], "\x00"))
		}
	}
	return len(was) > 0 && slices.Equal(was, is)
}

// restless is what two rebuilds of one source do not agree on.
type restless struct {
	differs map[causeKey]bool // by class and path
	// own are, by folder, how many names each of the rebuilds has that the other
	// does not: the smaller number.
	own map[string]int
}

// restlessIn reads a comparison of two rebuilds.
func restlessIn(list []DiffEntry) restless {
	r := restless{map[causeKey]bool{}, map[string]int{}}
	first, second := map[string]int{}, map[string]int{}
	for _, d := range list {
		r.differs[causeKey{name: d.Class, subject: d.Path}] = true
		switch d.Class {
		case string(filetree.OnlyInA):
			first[path.Dir(d.Path)]++
		case string(filetree.OnlyInB):
			second[path.Dir(d.Path)]++
		}
	}
	for folder, n := range first {
		r.own[folder] = min(n, second[folder])
	}
	return r
}

// knows reports whether a difference between a rebuilt and the published image
// is one that the rebuilds have too.
func (r restless) knows(d DiffEntry) bool {
	if d.Class == string(filetree.OnlyInA) || d.Class == string(filetree.OnlyInB) {
		return r.differs[causeKey{name: string(filetree.OnlyInA), subject: d.Path}] || r.differs[causeKey{name: string(filetree.OnlyInB), subject: d.Path}]
	}
	return r.differs[causeKey{name: d.Class, subject: d.Path}]
}

// unsteady reports of each difference whether the rebuilds have it too. Names
// that no rebuild has count where each of the rebuilds has as many of its own in
// that folder: one more is nobody's noise.
func (r restless) unsteady(list []DiffEntry) []bool {
	out, strange := make([]bool, len(list)), map[string]int{}
	for i, d := range list {
		if out[i] = r.knows(d); !out[i] && d.Class == string(filetree.OnlyInB) {
			strange[path.Dir(d.Path)]++
		}
	}
	for i, d := range list {
		if n := strange[path.Dir(d.Path)]; d.Class == string(filetree.OnlyInB) && n > 0 && n <= r.own[path.Dir(d.Path)] {
			out[i] = true
		}
	}
	return out
}
