package verify

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/builders"
)

// generations are a child of a child of scratch: the middle one has triggers,
// the last one copies from another stage.
var generations = []struct {
	name  string
	files map[string]string
}{
	{"root", map[string]string{"Dockerfile": "FROM scratch\nCOPY r /r\nCMD [\"/r\"]\n", "r": "root"}},
	{"mid", map[string]string{"Dockerfile": "FROM root:1\nENV M=1\nCOPY m /m\nONBUILD COPY t /t\nONBUILD ENV T=$M\n", "m": "mid"}},
	{"app", map[string]string{"Dockerfile": "FROM scratch AS tool\nCOPY x /x\nFROM mid:1\nCOPY --from=tool /x /x\nCOPY a /a\nENV P=$M-$T\nCMD [\"/a\"]\n",
		"x": "tool", "a": "app", "t": "trigger"}},
}

func TestRealChildrenOfChildrenAreVerifiedDownToNothing(t *testing.T) {
	t.Parallel()
	docker, buildah := builders.StartDocker(t), builders.StartBuildah(t)
	for _, b := range []struct {
		name  string
		build func(name, context, file string)
	}{
		{"classic", func(name, context, file string) {
			docker.BuildClassic(t, name, context)
			docker.Save(t, name, file)
		}},
		{"buildkit", func(name, context, file string) {
			docker.BuildKit(t, name, context)
			docker.Save(t, name, file)
		}},
		{"buildah", func(name, context, file string) {
			buildah.Build(t, name, context, "--layers", "--format", "docker")
			buildah.Push(t, name, "docker-archive:"+file+":"+name)
		}},
	} {
		w, dir := newWorld(t), t.TempDir()
		o := w.options()
		o.As, o.Depth, o.Bases = "app:1", AllBases, map[string]string{}
		for _, g := range generations {
			w.publish(g.name, g.files)
			file := filepath.Join(dir, g.name+".tar")
			b.build(g.name+":1", builders.Context(t, g.files), file)
			o.Bases[g.name+":1"] = "docker-archive:" + file
		}
		app := o.Bases["app:1"]
		delete(o.Bases, "app:1")
		t.Run(b.name, func(t *testing.T) {
			img := verifyOne(t, app, o)
			wants(t, img, Verified, "base.layers", Pass, "")
			wants(t, img, Verified, "history.config", Pass, "")
			if chain := chainOf(img.Base); chain != "mid:1 verified 2 layers 2 triggers, root:1 verified 1 layers 0 triggers, scratch" {
				t.Errorf("the chain: %s", chain)
			}
			if b.name != "buildah" { // whose config is not assembled
				wantRebuilt(t, app, o, SameImageID)
			}
			o := o
			o.Bases = map[string]string{"mid:1": o.Bases["root:1"]}
			img = verifyOne(t, app, o)
			if f, _ := findingOf(img, "base.layers"); f.Status != Fail || img.Verdict != Failed {
				t.Errorf("on the root in place of the middle: %s:%s", img.Verdict, describe(img))
			}
		})
	}
}

func chainOf(b *Base) string {
	var out []string
	for ; b != nil; b = b.Base {
		if b.Reference == "scratch" {
			out = append(out, b.Reference)
			continue
		}
		out = append(out, fmt.Sprintf("%s %s %d layers %d triggers", b.Reference, b.Verdict, b.Layers, len(b.OnBuild)))
	}
	return strings.Join(out, ", ")
}

// wantRebuilt assembles an image again, and wants it to be that near.
func wantRebuilt(t *testing.T, reference string, o Options, level Level) {
	t.Helper()
	o.RebuildLevel, o.Requirements = level, Requirements{Require: []string{"rebuild.level"}}
	img := verifyOne(t, reference, o)
	wants(t, img, Verified, "rebuild.level", Pass, "")
	if img.Rebuild.Level != level {
		t.Errorf("rebuilt to the level %s, want %s:%s", img.Rebuild.Level, level, describe(img))
	}
}
