package rebuild

import (
	"strings"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// classicRun is the config proper, in the order in which Docker 20.10 writes
// it; what is nil is written as null.
type classicRun struct {
	Hostname     string
	Domainname   string
	User         string
	AttachStdin  bool
	AttachStdout bool
	AttachStderr bool
	ExposedPorts map[string]struct{} `json:",omitempty"`
	Tty          bool
	OpenStdin    bool
	StdinOnce    bool
	Env          []string
	Cmd          []string
	Healthcheck  *health `json:",omitempty"`
	ArgsEscaped  bool    `json:",omitempty"`
	Image        string
	Volumes      map[string]struct{}
	WorkingDir   string
	Entrypoint   []string
	OnBuild      []string
	Labels       map[string]string
	StopSignal   string   `json:",omitempty"`
	Shell        []string `json:",omitempty"`
}

// hostnameLength is how much of a container's id is its host name.
const hostnameLength = 12

func (w *configWriter) classic() map[string]any {
	top := w.head()
	if author := w.Build.ConfigIn(dockerfile.Classic).Author; author != "" {
		top["author"] = author
	}
	if version := w.top("docker_version"); version != "" {
		top["docker_version"] = version
	}
	top["history"], top["created"] = w.history, w.lastCreated()
	run := w.classicRun()
	top["config"] = run
	top["container_config"] = w.containerRun(run, top)
	return top
}

func (w *configWriter) classicRun() classicRun {
	c := w.run
	return classicRun{
		Hostname: c.Hostname, Domainname: c.Domainname, User: c.User, ExposedPorts: c.ExposedPorts,
		Env: c.Env, Cmd: c.Cmd, Healthcheck: w.health(), ArgsEscaped: c.ArgsEscaped, Image: w.parent(),
		Volumes: c.Volumes, WorkingDir: c.WorkingDir, Entrypoint: c.Entrypoint, OnBuild: c.OnBuild,
		Labels: c.Labels, StopSignal: c.StopSignal, Shell: c.Shell,
	}
}

// parent is the id of the image on which the last directive stands: the base's
// for the first directive; that of a step in between holds the id of a
// container.
func (w *configWriter) parent() string {
	switch {
	case len(w.Build.Directives) > 1 && w.from != nil:
		return w.use("config.Image", text(w.from.config, "Image"))
	case len(w.Build.Directives) > 1 || w.Base == nil:
		return ""
	}
	return w.BaseID.String()
}

// containerRun is the config of the container in which the last directive ran:
// its own text as the command. ADD and COPY have no container.
func (w *configWriter) containerRun(run classicRun, top map[string]any) classicRun {
	n := len(w.Build.Directives)
	if n == 0 || len(w.history) == 0 {
		return run
	}
	last := w.Build.Directives[n-1]
	run.Cmd = w.command(w.history[len(w.history)-1].CreatedBy)
	if last.Name == "ADD" || last.Name == "COPY" {
		return run
	}
	if container := w.top("container"); container != "" {
		top["container"] = container
		run.Hostname = w.hostname(container)
	}
	if run.Labels == nil && (n > 1 || w.Base != nil) {
		run.Labels = map[string]string{} // merged with the parent's
	}
	return run
}

// hostname is the container's, as a rule the head of its id.
func (w *configWriter) hostname(container string) string {
	derived := container[:min(len(container), hostnameLength)]
	if got := text(w.from.container, "Hostname"); got != derived {
		return w.use("container_config.Hostname", got)
	}
	return derived
}

// command takes the text of an entry apart into the words of the command that
// the builder made of it.
func (w *configWriter) command(createdBy string) []string {
	shell := w.run.Shell
	if len(shell) == 0 {
		shell = []string{"/bin/sh", "-c"}
	}
	words := append([]string{}, shell...)
	rest := strings.TrimPrefix(createdBy, strings.Join(shell, " ")+" ")
	if comment, ok := strings.CutPrefix(rest, "#(nop)  "); ok {
		return append(words, "#(nop) ", comment)
	}
	return append(words, rest)
}
