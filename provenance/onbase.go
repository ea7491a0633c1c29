package provenance

import (
	"context"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/history"
)

// OnBase matches the judged Dockerfile again, now that the config of the image
// that it builds on is known: variables that were holes have values, and the
// base's triggers are directives. The error says why it cannot be built on it.
func (t *Trace) OnBase(ctx context.Context, base v1.Config) error {
	a := t.Judged
	build, err := a.Build.WithBase(BaseOptions(base))
	if err != nil {
		return err
	}
	before := a.Alignment
	a.Alignment = history.Match(t.subject.History, t.subject.Layers, build)
	a.Build = a.Alignment.Build
	if !sameHashes(before, a.Alignment) {
		a.Contents = nil
		if err := a.hashContents(ctx); err != nil {
			return err
		}
	}
	t.claim()
	return nil
}

// BaseOptions fills in what the config of a base image says.
func BaseOptions(base v1.Config) func(*dockerfile.Options) {
	return func(o *dockerfile.Options) {
		o.BaseEnv, o.BasePartial = environment(base.Env), false
		o.BaseWorkingDir, o.BaseUser = base.WorkingDir, base.User
		o.BaseShell, o.BaseOnBuild = base.Shell, base.OnBuild
	}
}

// environment is a config's Env by name; never nil, which would mean that
// nothing is known.
func environment(pairs []string) map[string]string {
	env := map[string]string{}
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		env[key] = value
	}
	return env
}

// sameHashes reports whether the same rows hold content hashes of the same
// directives.
func sameHashes(a, b *history.Alignment) bool {
	return a.Dialect == b.Dialect && slices.EqualFunc(a.Rows, b.Rows, func(x, y history.Row) bool {
		return x.Hash == y.Hash && (x.Hash == "" || x.Directive == y.Directive)
	})
}
