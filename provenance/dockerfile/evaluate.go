package dockerfile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// DefaultPath is the PATH that both builders give an image FROM scratch.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Scratch is the base that holds nothing.
const Scratch = "scratch"

// maxForms bounds the sum of all texts of one build in bytes: each RUN repeats
// every build argument.
const maxForms = 16 << 20

// Options are what a Dockerfile's evaluation depends on beside its text.
type Options struct {
	// Target is the stage to evaluate, by name or index; "" is the last.
	Target string
	// BuildArgs are the --build-arg values, known or assumed.
	BuildArgs map[string]string
	// OS, Architecture and Variant are the platform that is built for;
	// "" is a value that is not known.
	OS, Architecture, Variant string
	// BaseEnv is the base image's environment. A variable that is not in it is
	// unset, or, with BasePartial, not known. nil means that nothing is known.
	// It is not looked at for FROM scratch.
	BaseEnv     map[string]string
	BasePartial bool
	// BaseWorkingDir and BaseUser are the base's; a BaseWorkingDir of "" is
	// not known, or "/" when BaseEnv is complete.
	BaseWorkingDir, BaseUser string
	// BaseShell is the SHELL of the base; nil is the default.
	BaseShell []string
	// BaseOnBuild are the base's ONBUILD triggers, which run first.
	BaseOnBuild []string
}

// Build is an evaluated Dockerfile.
type Build struct {
	// Base is "scratch" or an image reference: what the first stage of the
	// chain that leads to the target stands on.
	Base string
	// Stages are the indices of the stages that make the build, from the one
	// that stands on Base to the target.
	Stages []int
	// Directives are those of the target stage, after those of the stages it
	// is FROM: all that an image holds above Base.
	Directives []Directive
	// Inherited is how many of Directives come from such other stages.
	Inherited int
	// StageEnds are the indices of the last directive of each of those stages
	// that has any, the target's excepted.
	StageEnds []int
	// Holes are the names of what only the base knows, in order of first use:
	// variables, expressions such as "X:-y", and WorkingDirHole.
	Holes []string
	// Config is what the directives alone make, by BuildKit's rules.
	Config Config
	// File and Options are what Evaluate was given.
	File    *File
	Options Options

	classic Config
}

// ConfigIn is what the directives alone make by a dialect's rules: BuildKit
// lets a later ARG win over ENV, the others do not.
func (b *Build) ConfigIn(dialect string) Config {
	if dialect == BuildKit {
		return b.Config
	}
	return b.classic
}

// Evaluate evaluates the final or the target stage. Errors are of type *Error.
func (f *File) Evaluate(o Options) (*Build, error) {
	if err := checkValues(o); err != nil {
		return nil, err
	}
	target, err := f.target(o.Target)
	if err != nil {
		return nil, err
	}
	build, err := f.walk(BuildKit, target, o)
	if err != nil {
		return nil, err
	}
	// The dialects differ in more than their texts: which of ENV and ARG wins,
	// and which arguments reach a stage that is FROM another.
	classic, err := f.walk(Classic, target, o)
	if err != nil {
		return nil, err
	}
	buildah, err := f.walk(Buildah, target, o)
	if err != nil {
		return nil, err
	}
	for i := range build.Directives {
		d := &build.Directives[i]
		d.Forms = slices.Concat(classic.Directives[i].Forms, d.Forms, buildah.Directives[i].Forms)
	}
	build.Holes, build.classic = union(union(build.Holes, classic.Holes), buildah.Holes), classic.Config
	return build, nil
}

// checkValues refuses NUL, which marks holes.
func checkValues(o Options) error {
	for _, m := range []map[string]string{o.BuildArgs, o.BaseEnv} {
		for k, v := range m {
			if strings.Contains(k+v, mark) {
				return &Error{Err: fmt.Errorf("the value of %q holds a NUL byte", k)}
			}
		}
	}
	given := o.OS + o.Architecture + o.Variant + o.BaseWorkingDir + o.BaseUser + strings.Join(slices.Concat(o.BaseShell, o.BaseOnBuild), "")
	if strings.Contains(given, mark) {
		return &Error{Err: errors.New("an option holds a NUL byte")}
	}
	return nil
}

// ErrNoStage says that the Dockerfile lacks the target.
var ErrNoStage = errors.New("the Dockerfile has no stage")

// HasTarget is nil for a stage, by name or index, that the file has, and for "".
func (f *File) HasTarget(name string) error {
	_, err := f.target(name)
	return err
}

func (f *File) target(name string) (int, error) {
	if name == "" {
		return len(f.Stages) - 1, nil
	}
	if i, ok := f.find(name, len(f.Stages)); ok {
		return i, nil
	}
	if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(f.Stages) {
		return i, nil
	}
	return 0, &Error{Err: fmt.Errorf("%w %q", ErrNoStage, name)}
}

// walk evaluates the chain of stages that ends at target in one dialect.
func (f *File) walk(dialect string, target int, o Options) (*Build, error) {
	s := newState(dialect, f, o)
	if err := s.setGlobals(f.global, f.Stages[target].Name); err != nil {
		return nil, err
	}
	chain, base, err := f.chain(s, target)
	if err != nil {
		return nil, err
	}
	s.start(base)
	b := &Build{Base: base, Stages: chain, File: f, Options: o}
	triggers := o.BaseOnBuild
	if base == Scratch {
		triggers = nil
	}
	for _, i := range chain {
		if n := len(b.Directives); n > b.Inherited {
			b.StageEnds = append(b.StageEnds, n-1)
		}
		b.Inherited = len(b.Directives)
		s.enterStage()
		if b.Directives, err = s.triggers(b.Directives, f.Stages[i], triggers); err != nil {
			return nil, err
		}
		if b.Directives, err = s.stage(b.Directives, f.Stages[i]); err != nil {
			return nil, err
		}
		triggers = s.config.OnBuild
	}
	b.Holes, b.Config = s.holes.names, s.config
	return b, nil
}

// chain lists the stages from the one that stands on an image to the target.
func (f *File) chain(s *state, target int) (chain []int, base string, err error) {
	for i := target; ; {
		stage := f.Stages[i]
		chain = append(chain, i)
		base, err = s.expandGlobal(stage.Base)
		if err != nil {
			return nil, "", &Error{stage.Line, err}
		}
		if base == "" {
			return nil, "", &Error{stage.Line, fmt.Errorf("the base %q is empty", stage.Base)}
		}
		next, ok := f.find(base, i)
		if !ok {
			slices.Reverse(chain)
			return chain, base, nil
		}
		i = next
	}
}

// stage evaluates the commands of one stage, in order.
func (s *state) stage(out []Directive, stage Stage) ([]Directive, error) {
	if len(out)+len(stage.commands) > MaxDirectives {
		return nil, &Error{stage.Line, fmt.Errorf("more than %d directives", MaxDirectives)}
	}
	for _, c := range stage.commands {
		d, err := s.directive(c)
		if err != nil {
			return nil, &Error{firstLine(c.Location()), err}
		}
		if len(s.holes.names) > maxHoles {
			return nil, &Error{d.Line, fmt.Errorf("more than %d variables that only the base image could set", maxHoles)}
		}
		out = append(out, d)
	}
	return out, nil
}

// union is a followed by what only b has.
func union(a, b []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, name := range append(append([]string{}, a...), b...) {
		if !seen[name] {
			out = append(out, name)
		}
		seen[name] = true
	}
	return out
}

// WithBase is the build again, with more known about its base: change gets a
// copy of the options to fill in.
func (b *Build) WithBase(change func(*Options)) (*Build, error) {
	o := b.Options
	o.BaseEnv = maps.Clone(o.BaseEnv)
	change(&o)
	return b.File.Evaluate(o)
}
