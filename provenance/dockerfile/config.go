package dockerfile

import (
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Config is what a build's directives alone make of an image's configuration.
// Values may contain holes (see Hole) while the base is not known.
type Config struct {
	// Env holds KEY=VALUE in the order in which the keys were first set.
	Env []string
	// Cmd and Entrypoint count when the Set field is true; a CmdSet with a nil
	// Cmd is the base's Cmd dropped, as ENTRYPOINT does.
	Cmd, Entrypoint              []string
	CmdSet, EntrypointSet        bool
	User, WorkingDir, StopSignal string
	Author                       string // MAINTAINER
	Labels                       map[string]string
	ExposedPorts, Volumes        map[string]struct{}
	Healthcheck                  *v1.HealthConfig
	StartInterval                time.Duration // of Healthcheck, which has no field for it
	OnBuild                      []string
	Shell                        []string

	cmdHere bool           // CMD stands in this stage, before what follows
	envAt   map[string]int // where in Env a key stands
}

// Over is the configuration of an image that the directives make on a base
// with the given one: what the directives do not say is the base's. ONBUILD is
// not handed down.
func (c *Config) Over(base v1.Config) v1.Config {
	out := *base.DeepCopy()
	out.OnBuild = slices.Clone(c.OnBuild)
	for _, kv := range c.Env {
		out.Env = setPair(out.Env, kv)
	}
	if c.CmdSet {
		out.Cmd = slices.Clone(c.Cmd)
	}
	if c.EntrypointSet {
		out.Entrypoint = slices.Clone(c.Entrypoint)
	}
	out.User = either(c.User, out.User)
	out.WorkingDir = either(c.WorkingDir, out.WorkingDir)
	out.StopSignal = either(c.StopSignal, out.StopSignal)
	out.Labels = merged(out.Labels, c.Labels)
	out.ExposedPorts = merged(out.ExposedPorts, c.ExposedPorts)
	out.Volumes = merged(out.Volumes, c.Volumes)
	if c.Healthcheck != nil {
		out.Healthcheck = c.Healthcheck.DeepCopy()
	}
	if len(c.Shell) > 0 {
		out.Shell = slices.Clone(c.Shell)
	}
	return out
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func merged[V any](base, over map[string]V) map[string]V {
	if len(over) == 0 {
		return base
	}
	out := maps.Clone(base)
	if out == nil {
		out = map[string]V{}
	}
	maps.Copy(out, over)
	return out
}

// setPair replaces the pair of the same key, or adds it at the end.
func setPair(env []string, pair string) []string {
	key, _, _ := strings.Cut(pair, "=")
	for i, have := range env {
		if k, _, _ := strings.Cut(have, "="); k == key {
			env[i] = pair
			return env
		}
	}
	return append(env, pair)
}

func (c *Config) setEnv(key, value string) {
	if i, ok := c.envAt[key]; ok {
		c.Env[i] = key + "=" + value
		return
	}
	if c.envAt == nil {
		c.envAt = map[string]int{}
	}
	c.envAt[key] = len(c.Env)
	c.Env = append(c.Env, key+"="+value)
}

func (c *Config) setLabel(key, value string) {
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	c.Labels[key] = value
}

func (c *Config) setCmd(words []string) {
	c.Cmd, c.CmdSet, c.cmdHere = words, true, true
}

// setEntrypoint drops a CMD that was not written in the same stage.
func (c *Config) setEntrypoint(words []string) {
	c.Entrypoint, c.EntrypointSet = words, true
	if !c.cmdHere {
		c.Cmd, c.CmdSet = nil, true
	}
}

func (c *Config) addVolume(path string) {
	if c.Volumes == nil {
		c.Volumes = map[string]struct{}{}
	}
	c.Volumes[path] = struct{}{}
}

func (c *Config) addPort(port string) {
	if c.ExposedPorts == nil {
		c.ExposedPorts = map[string]struct{}{}
	}
	c.ExposedPorts[port] = struct{}{}
}
