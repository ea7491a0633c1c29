package dockerfile

import (
	"fmt"
	"sort"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// state is what a builder knows at one point of a build.
type state struct {
	dialect string
	lex     *shell.Lex
	escape  rune
	lines   []string // of the file
	options Options

	globals  map[string]string // ARGs before FROM, and the platform's
	base     map[string]string // the base's environment
	complete bool              // whether base is all of it

	env   map[string]string  // set by ENV, and by ARG in BuildKit
	args  []argument         // declared in this stage, in order
	value map[string]*string // of args, by key; nil is one without a value
	shell []string
	dir   string // working directory; "" is the base's, not known
	user  string

	triggered bool // the commands are the base's ONBUILD triggers

	holes  holes
	config Config
	texts  int // bytes of forms so far
	// longest is the length of the longest value of any variable, expanded
	// what the words so far may have grown to.
	longest, expanded int
}

// argument is a declared ARG.
type argument struct {
	key   string
	value *string
}

// maxHoles bounds how many values of the base a Dockerfile may ask for.
const maxHoles = 256

// holes collects names in order of first use.
type holes struct {
	names []string
	seen  map[string]bool
}

func (h *holes) add(name string) string {
	if !h.seen[name] {
		h.seen[name] = true
		h.names = append(h.names, name)
	}
	return Hole(name)
}

func newState(dialect string, f *File, o Options) *state {
	return &state{
		dialect: dialect, lex: shell.NewLex(f.escape), escape: f.escape, lines: f.lines, options: o,
		globals: map[string]string{}, env: map[string]string{}, value: map[string]*string{},
		shell: o.BaseShell, user: o.BaseUser,
		holes: holes{seen: map[string]bool{}},
	}
}

// start takes up what is known about the base.
func (s *state) start(base string) {
	switch {
	case base == Scratch:
		s.base, s.complete, s.dir = map[string]string{"PATH": DefaultPath}, true, "/"
		s.shell, s.user = nil, ""
	case s.options.BaseEnv != nil:
		s.base, s.complete, s.dir = s.options.BaseEnv, !s.options.BasePartial, s.options.BaseWorkingDir
		if s.dir == "" && s.complete {
			s.dir = "/"
		}
	default:
		s.dir = s.options.BaseWorkingDir
	}
	if len(s.shell) == 0 {
		s.shell = []string{"/bin/sh", "-c"}
	}
	for _, v := range s.base {
		s.note(v)
	}
}

// note keeps the length of a value that a variable may expand to.
func (s *state) note(value string) { s.longest = max(s.longest, len(value)) }

// enterStage forgets what does not outlive a FROM.
func (s *state) enterStage() {
	s.config.cmdHere = false
	s.config.OnBuild = nil
	if s.dialect != BuildKit {
		s.args, s.value = nil, map[string]*string{}
	}
}

// setGlobals evaluates the ARGs before the first FROM.
func (s *state) setGlobals(commands []instructions.ArgCommand, target string) error {
	for k, v := range s.platformArgs(target) {
		s.globals[k] = v
		s.note(v)
	}
	for _, c := range commands {
		for _, a := range c.Args {
			value, given := s.options.BuildArgs[a.Key]
			if !given && a.Value == nil {
				continue
			}
			if !given {
				var err error
				if value, err = s.expandGlobal(*a.Value); err != nil {
					return &Error{firstLine(c.Location()), err}
				}
			}
			s.globals[a.Key] = value
			s.note(value)
		}
	}
	return nil
}

// platformArgs are BuildKit's predefined arguments. Where the build ran is not
// known: those are holes.
func (s *state) platformArgs(target string) map[string]string {
	if s.dialect == Classic {
		return nil
	}
	if target == "" {
		target = "default"
	}
	o := s.options
	args := map[string]string{
		"TARGETPLATFORM": strings.TrimSuffix(o.OS+"/"+o.Architecture+"/"+o.Variant, "/"),
		"TARGETOS":       o.OS, "TARGETARCH": o.Architecture, "TARGETVARIANT": o.Variant,
		"TARGETSTAGE": target,
	}
	if o.OS == "" || o.Architecture == "" {
		args = map[string]string{"TARGETSTAGE": target}
	}
	for k, v := range s.options.BuildArgs {
		if _, ok := args[k]; ok {
			args[k] = v
		}
	}
	return args
}

// unknownArg reports whether the name is an argument that BuildKit defines and
// whose value the options do not say.
func (s *state) unknownArg(name string) bool {
	if s.dialect == Classic {
		return false
	}
	if _, ok := s.globals[name]; ok {
		return false
	}
	switch name {
	case "BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT",
		"TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT":
		return true
	}
	return false
}

// lookup is the value of a variable, in the order in which the dialect looks;
// a hole when only the base knows.
func (s *state) lookup(name string) (string, bool) {
	if v, ok := s.env[name]; ok {
		return v, true
	}
	if v, ok := s.base[name]; ok {
		return v, true
	}
	value, declared := s.value[name]
	if value != nil {
		return *value, true
	}
	// A declared argument that the base sets too is not worth a hole.
	if s.complete || declared || !plainName(name) {
		return "", false
	}
	return s.holes.add(name), true
}

func (s *state) setEnv(key, value string) {
	s.env[key] = value
	s.note(value)
	s.config.setEnv(key, value)
}

// inForce are the variables of an ENV or ARG with the values they now have;
// those without one are left out.
func (s *state) inForce(pairs []pair) []Variable {
	var out []Variable
	for _, p := range pairs {
		value, ok := s.env[p.key]
		if given := s.value[p.key]; !ok && given != nil {
			value, ok = *given, true
		}
		if ok {
			out = append(out, Variable{p.key, value})
		}
	}
	return out
}

// declare adds an ARG. BuildKit lets a later ARG override an earlier ENV; in
// the classic builder ENV always wins.
func (s *state) declare(key string, value *string) {
	s.args = append(s.args, argument{key, value})
	if value == nil {
		if _, known := s.value[key]; !known {
			s.value[key] = nil // declared; an earlier value would stay in force
		}
		return
	}
	s.value[key] = value
	s.note(*value)
	if s.dialect == BuildKit {
		s.env[key] = *value
	}
}

// classicArgs are the arguments that the classic builder writes before a
// command: those with a value that no ENV hides, sorted.
func (s *state) classicArgs() string {
	values := map[string]string{}
	for _, a := range s.args {
		if _, hidden := s.env[a.key]; hidden || a.value == nil {
			continue
		}
		if _, hidden := s.base[a.key]; !hidden {
			values[a.key] = *a.value
		}
	}
	pairs := make([]string, 0, len(values))
	for k, v := range values {
		pairs = append(pairs, k+"="+v)
	}
	sort.Strings(pairs)
	return counted(pairs)
}

// buildkitArgs are the arguments that BuildKit writes before a command, in the
// order of their declaration. Newer versions write the value in force, and
// each name once.
func (s *state) buildkitArgs(inForce bool) string {
	var pairs []string
	at := map[string]int{}
	for _, a := range s.args {
		value := ""
		if a.value != nil {
			value = *a.value
		}
		if v, ok := s.env[a.key]; ok && inForce {
			value = v
		}
		i, seen := at[a.key]
		if seen && inForce {
			pairs[i] = a.key + "=" + value
			continue
		}
		at[a.key] = len(pairs)
		pairs = append(pairs, a.key+"="+value)
	}
	return counted(pairs)
}

// counted writes "|2 A=x B=y ", or nothing for none.
func counted(pairs []string) string {
	if len(pairs) == 0 {
		return ""
	}
	return fmt.Sprintf("|%d %s ", len(pairs), strings.Join(pairs, " "))
}
