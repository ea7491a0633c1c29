package verify

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// findConfig judges history.config: what the image does when it is run is what
// its Dockerfile says. It applies where a Dockerfile was matched.
func findConfig(f *facts) *Finding {
	a := f.judged()
	if f.inLayout() || !a.Matched() {
		return nil
	}
	base := v1.Config{}
	if a.Build.Base != dockerfile.Scratch {
		if f.base == nil || f.base.config == nil || f.base.err != nil {
			return ownConfig(f, a)
		}
		base = f.base.config.Config
	}
	own := a.Build.ConfigIn(a.Alignment.Dialect)
	want, got := own.Over(base), f.configFile().Config
	want.ArgsEscaped = escaped(a.Build, want, got)
	if a.Alignment.Dialect == dockerfile.Buildah {
		takeBuildahs(&want, got)
	}
	parts := append(fieldParts(want, got, nil), labelParts(want.Labels, got.Labels)...)
	return ofParts(parts, "Env, Cmd, Entrypoint and the rest of the config are what the directives give").
		with(fileEvidence(a))
}

// ownConfig judges the config of an image on a base of which nothing is known:
// what the directives themselves set is in the image, whatever the base's is, so
// that setting it once more changes nothing.
func ownConfig(f *facts, a *provenance.Attempt) *Finding {
	own := a.Build.ConfigIn(a.Alignment.Dialect)
	got := f.configFile().Config
	want := own.Over(got)
	want.ArgsEscaped = got.ArgsEscaped
	if a.Buildah {
		takeBuildahs(&want, got)
	}
	labels := maps.Clone(want.Labels)
	maps.DeleteFunc(labels, func(key, value string) bool { return dockerfile.HasHole(key + value) })
	parts := append(fieldParts(want, got, dockerfile.HasHole), labelParts(labels, got.Labels)...)
	parts = slices.DeleteFunc(parts, func(p Part) bool { return p.Status != Fail })
	if len(parts) == 0 {
		return finding(Unknown, "base-unknown", "what the directives set is in the config; that of the base image %s is not known", dockerfile.Readable(a.Build.Base))
	}
	return ofParts(parts, "").with(fileEvidence(a))
}

// fieldParts lists the fields that differ; open tells which values are not
// known, and not compared.
func fieldParts(want, got v1.Config, open func(string) bool) []Part {
	var parts []Part
	for _, field := range configFields {
		w, g := field.value(want), field.value(got)
		if !reflect.DeepEqual(w, g) && (open == nil || !open(fmt.Sprint(w))) {
			parts = append(parts, Part{field.name, Fail, "config-differs", fmt.Sprintf("the Dockerfile gives %v, the config has %v", w, g)})
		}
	}
	return parts
}

// configFields are the fields that say what happens when the image is run, in
// one spelling: what is absent, empty and the default is the same.
var configFields = []struct {
	name  string
	value func(v1.Config) any
}{
	{"Env", func(c v1.Config) any { return envOf(c.Env) }},
	{"Cmd", func(c v1.Config) any { return slices.Concat(c.Cmd) }},
	{"Entrypoint", func(c v1.Config) any { return slices.Concat(c.Entrypoint) }},
	{"User", func(c v1.Config) any { return c.User }},
	{"WorkingDir", func(c v1.Config) any { return "/" + strings.Trim(c.WorkingDir, "/") }},
	{"ExposedPorts", func(c v1.Config) any { return slices.Sorted(maps.Keys(c.ExposedPorts)) }},
	{"Volumes", func(c v1.Config) any { return slices.Sorted(maps.Keys(c.Volumes)) }},
	{"StopSignal", func(c v1.Config) any { return c.StopSignal }},
	{"Healthcheck", func(c v1.Config) any { return healthOf(c.Healthcheck) }},
	{"OnBuild", func(c v1.Config) any { return slices.Concat(c.OnBuild) }},
	{"Shell", func(c v1.Config) any { return slices.Concat(c.Shell) }},
	{"ArgsEscaped", func(c v1.Config) any { return c.ArgsEscaped }},
}

// escaped is whether the command may be marked as escaped: Docker's builders do
// so, by version, where there is a CMD, and mean nothing by it on Linux.
func escaped(b *dockerfile.Build, want, got v1.Config) bool {
	if slices.ContainsFunc(b.Directives, func(d dockerfile.Directive) bool { return d.Name == "CMD" }) {
		return got.ArgsEscaped
	}
	return want.ArgsEscaped
}

// takeBuildahs leaves out what buildah's OCI configs cannot hold, where the
// image has none of it, and adds the label that buildah signs with.
func takeBuildahs(want *v1.Config, got v1.Config) {
	if got.Healthcheck == nil && len(got.OnBuild) == 0 && len(got.Shell) == 0 {
		want.Healthcheck, want.OnBuild, want.Shell = nil, nil, nil
	}
	const version = "io.buildah.version"
	if value, ok := got.Labels[version]; ok {
		want.Labels = maps.Clone(want.Labels)
		if want.Labels == nil {
			want.Labels = map[string]string{}
		}
		want.Labels[version] = value
	}
}

// envOf is the environment in order of names, with the PATH that builders set
// where nobody does.
func envOf(env []string) []string {
	out := slices.Clone(env)
	if !slices.ContainsFunc(out, func(kv string) bool { return strings.HasPrefix(kv, "PATH=") }) {
		out = append(out, "PATH="+dockerfile.DefaultPath)
	}
	slices.Sort(out)
	return out
}

func healthOf(h *v1.HealthConfig) v1.HealthConfig {
	if h == nil {
		return v1.HealthConfig{}
	}
	return *h
}

// labelParts compares labels. One more than the Dockerfile's can come from the
// command that built the image, and does nothing when it is run.
func labelParts(want, got map[string]string) []Part {
	var parts []Part
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if value, ok := got[key]; !ok || value != want[key] {
			parts = append(parts, Part{"Labels", Fail, "config-differs", fmt.Sprintf("the Dockerfile gives %s=%q, the config has %q", key, want[key], value)})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			parts = append(parts, Part{"Labels", Warn, "label-added", fmt.Sprintf("no directive gives %s=%q", key, got[key])})
		}
	}
	return parts
}
