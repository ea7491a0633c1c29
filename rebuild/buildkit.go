package rebuild

import (
	"slices"
	"time"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// buildkitEntry has BuildKit's order of fields.
type buildkitEntry struct {
	Created    *time.Time `json:"created,omitempty"`
	CreatedBy  string     `json:"created_by,omitempty"`
	Author     string     `json:"author,omitempty"`
	Comment    string     `json:"comment,omitempty"`
	EmptyLayer bool       `json:"empty_layer,omitempty"`
}

// buildkitRun is the config proper, in the order in which BuildKit writes it.
type buildkitRun struct {
	buildkitHead
	ArgsEscaped bool     `json:",omitempty"`
	Healthcheck *health  `json:",omitempty"`
	OnBuild     []string `json:",omitempty"`
	Shell       []string `json:",omitempty"`
}

// olderRun is that of the BuildKit inside Docker 20.10.
type olderRun struct {
	buildkitHead
	Healthcheck *health `json:",omitempty"`
	ArgsEscaped bool    `json:",omitempty"`
	OnBuild     []string
	Shell       []string `json:",omitempty"`
}

type buildkitHead struct {
	User         string              `json:",omitempty"`
	ExposedPorts map[string]struct{} `json:",omitempty"`
	Env          []string            `json:",omitempty"`
	Entrypoint   []string            `json:",omitempty"`
	Cmd          []string            `json:",omitempty"`
	Volumes      map[string]struct{} `json:",omitempty"`
	WorkingDir   string              `json:",omitempty"`
	Labels       map[string]string   `json:",omitempty"`
	StopSignal   string              `json:",omitempty"`
}

func (w *configWriter) buildkit() map[string]any {
	top := w.head()
	if author := either(w.Build.ConfigIn(dockerfile.BuildKit).Author, w.base.Author); author != "" {
		top["author"] = author
	}
	entries := make([]buildkitEntry, len(w.history))
	for i, e := range w.history {
		entries[i] = buildkitEntry{&e.Created, e.CreatedBy, e.Author, e.Comment, e.EmptyLayer}
		if e.Created.IsZero() {
			entries[i].Created = nil
		}
	}
	top["history"], top["created"] = entries, w.lastCreated()
	top["config"] = w.buildkitRun()
	return top
}

func (w *configWriter) buildkitRun() any {
	c := w.run
	head := buildkitHead{c.User, c.ExposedPorts, c.Env, c.Entrypoint, c.Cmd, c.Volumes, c.WorkingDir, c.Labels, c.StopSignal}
	escaped := c.ArgsEscaped || slices.ContainsFunc(w.Build.Directives, func(d dockerfile.Directive) bool { return d.Name == "CMD" })
	if w.Writer == WriterOlder {
		return olderRun{head, w.health(), escaped, c.OnBuild, c.Shell}
	}
	return buildkitRun{head, escaped, w.health(), c.OnBuild, c.Shell}
}
