package history

import (
	"maps"
	"slices"
	"strings"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// maxBases bounds the readings of a base's history that are tried: an entry
// "ENV A=x B=y" can mean one variable or two.
const maxBases = 8

// base is one reading of what the entries below the directives' say about the
// base image.
type base struct {
	env       map[string]string
	used      map[string]string // those of env that the Dockerfile asks for
	partial   bool              // other variables may be set too
	dir, user string
	shell     []string
}

// apply evaluates the build on this base.
func (c base) apply(b *dockerfile.Build) (*dockerfile.Build, error) {
	return b.WithBase(func(o *dockerfile.Options) {
		o.BaseEnv, o.BasePartial = c.env, c.partial
		if o.BaseWorkingDir == "" {
			o.BaseWorkingDir = c.dir
		}
		if o.BaseUser == "" {
			o.BaseUser = c.user
		}
		if o.BaseShell == nil {
			o.BaseShell = c.shell
		}
	})
}

// bases are the readings of the first so many entries, the likeliest first.
//
// When all of them were written by the two builders they tell the whole
// environment: ENV entries over the default PATH. When some were not (an
// imported file system, a commit), or there are none, variables that no ENV
// entry sets are not known, and PATH is the default one only if that fits.
func (m *matcher) bases(below int, b *dockerfile.Build) []base {
	entries := m.entries[:below]
	partial := below == 0 || slices.ContainsFunc(entries, func(e entry) bool { return e.opaque })
	common := base{partial: partial}
	for _, e := range entries {
		common.take(e)
	}
	if common.dir == "" && !partial {
		common.dir = "/"
	}
	var out []base
	for _, env := range environments(entries, names(b.Holes)) {
		c := common
		c.used = env
		if _, set := env["PATH"]; !set {
			c.env = maps.Clone(env)
			c.env["PATH"] = dockerfile.DefaultPath
			if slices.Contains(names(b.Holes), "PATH") {
				c.used = c.env
			}
			out = append(out, c)
			c.used = env
			if !partial {
				continue
			}
		}
		c.env = env
		out = append(out, c)
	}
	return out
}

// take follows what an entry sets beside variables.
func (c *base) take(e entry) {
	switch e.name {
	case "WORKDIR":
		if strings.HasPrefix(e.body, "/") {
			c.dir = e.body
		}
	case "USER":
		c.user = strings.TrimSuffix(strings.TrimPrefix(e.body, "["), "]")
	case "SHELL":
		c.shell = strings.Fields(strings.TrimSuffix(strings.TrimPrefix(e.body, "["), "]"))
	}
}

// names are the variables that holes ask for: "X" of "X:-y".
func names(holes []string) []string {
	var out []string
	for _, h := range holes {
		end := strings.IndexFunc(h, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		})
		if end < 0 {
			end = len(h)
		}
		if h != dockerfile.WorkingDirHole && !slices.Contains(out, h[:end]) {
			out = append(out, h[:end])
		}
	}
	return out
}

// environments are the values of the named variables, in each reading.
func environments(entries []entry, names []string) []map[string]string {
	out := []map[string]string{{}}
	for _, name := range names {
		values := lastValues(entries, name)
		if len(values) == 0 {
			continue
		}
		var next []map[string]string
		for _, env := range out {
			for _, v := range values {
				if len(next) == maxBases {
					break
				}
				with := maps.Clone(env)
				with[name] = v
				next = append(next, with)
			}
		}
		out = next
	}
	return out
}

// lastValues are the readings of the last ENV entry that sets the variable.
func lastValues(entries []entry, name string) []string {
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].name != "ENV" {
			continue
		}
		if values := valuesIn(entries[i].body, name); len(values) > 0 {
			return values
		}
	}
	return nil
}

// valuesIn reads NAME=value out of "A=x NAME=a b C=y": the value ends before a
// word that may begin the next pair, or at the end.
func valuesIn(body, name string) []string {
	start := -1
	for i := range body {
		if (i == 0 || body[i-1] == ' ') && strings.HasPrefix(body[i:], name+"=") {
			start = i + len(name) + 1
		}
	}
	if start < 0 {
		return nil
	}
	rest := body[start:]
	var out []string
	for i := range rest {
		if rest[i] == ' ' && len(out) < maxBases && beginsPair(rest[i+1:]) {
			out = append(out, rest[:i])
		}
	}
	return append(out, rest)
}

// beginsPair reports whether the text begins with KEY=.
func beginsPair(text string) bool {
	end := strings.IndexAny(text, "= \t")
	return end > 0 && text[end] == '='
}
