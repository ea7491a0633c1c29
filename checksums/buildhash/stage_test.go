package buildhash

import (
	"errors"
	"testing"
	"testing/fstest"
)

// owned is the Sys of a stage's file.
type owned struct {
	uid, gid int
	plain    bool
}

func (o owned) Owner() (uid, gid int, plain bool) { return o.uid, o.gid, o.plain }

func TestSumStageIsWhatDocker2010WroteForAFileOfAnotherStage(t *testing.T) {
	stage := fstest.MapFS{"x": {Data: []byte("tool"), Mode: 0o644, Sys: owned{plain: true}}}
	got, err := SumStage(t.Context(), stage, []string{"x"})
	if want := "file:d101f5d2a808aa088ec298ad926a0deb5594dc68f8b6a5345f7d83cf00213906"; err != nil || got != want {
		t.Errorf("SumStage: %s, %v; want %s", got, err, want)
	}
}

func TestSumStageRefusesFilesWhoseHashTakesTheHostOfTheBuild(t *testing.T) {
	for name, sys := range map[string]any{
		"another user":  owned{uid: 7, plain: true},
		"another group": owned{gid: 7, plain: true},
		"capabilities":  owned{},
		"not known":     nil,
	} {
		stage := fstest.MapFS{"d/x": {Data: []byte("tool"), Mode: 0o644, Sys: sys}, "d": {Mode: 0o755 | 1<<31, Sys: owned{plain: true}}}
		if got, err := SumStage(t.Context(), stage, []string{"d"}); !errors.Is(err, ErrOwner) || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	ignoring := fstest.MapFS{"x": {Sys: owned{plain: true}}, ".dockerignore": {}}
	if _, err := SumStage(t.Context(), ignoring, []string{"x"}); !errors.Is(err, ErrNotHashed) {
		t.Errorf("a stage with a .dockerignore: %v", err)
	}
}
