package verify

import (
	"errors"
	"slices"
	"testing"

	"github.com/imageverify/verify/internal/corpus"
)

// causeOfAttack names the first cause that a reproduction gives for each of the
// attacks on a published image.
var causeOfAttack = map[string]string{
	"nothing": "", "one byte": "content", "a mode": "mode", "an owner": "owner", "a name": "added", "a link's target": "link", "an attribute": "xattr",
	"a whiteout": "added", "an entry": "added", "an entry twice": "duplicate", "an entry less": "missing", "two entries swapped": "order",
	"a later time": "time", "a time before 1970": "time", "a fraction of a second": "time", "an access time": noiseForm, "a user's name": "format",
	"another compression": noiseCompression, "a command": "config", "a variable": "config", "an author": "config", "a text in history": "config",
	"an annotation": "annotation", "an annotation changed": "annotation", "the manifest's spelling": "format",
}

func TestAReproductionSaysWhatWasDoneToThePublishedImage(t *testing.T) {
	corpus.Dir(t)
	for _, a := range levelAttacks {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			s := takeSpecimen(t, "alpine-3.20.3", "amd64")
			s.official = true
			a.change(s)
			r, err := Reproduce(t.Context(), "oci:"+s.write(), warmOptions(t), ReproduceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			checkReproduction(t, r, a.level)
			want, known := causeOfAttack[a.name]
			var names []string
			for _, c := range r.Causes {
				names = append(names, c.Name)
			}
			if !known || want == "" && len(names) > 0 || want != "" && !slices.Contains(names, want) {
				t.Errorf("causes %q, want %q", names, want)
			}
		})
	}
}

// checkReproduction holds a report to what must be so of every one.
func checkReproduction(t *testing.T, r *ReproduceReport, level Level) {
	t.Helper()
	if r.Rebuild == nil || r.Rebuild.Level != level {
		t.Fatalf("level %v, want %s: %+v", r.Rebuild, level, r.Findings)
	}
	if want := level.Reaches(r.Asked); (r.Verdict == Verified) != want {
		t.Errorf("verdict %s at the level %s", r.Verdict, level)
	}
	if (len(r.Differences) == 0) != (level == SameDigest) {
		t.Errorf("%d differences at the level %s", len(r.Differences), level)
	}
	total := 0
	for _, n := range r.Counts {
		total += n
	}
	if total != len(r.Differences)+r.Unlisted {
		t.Errorf("%v is counted, %d listed and %d not", r.Counts, len(r.Differences), r.Unlisted)
	}
	for _, d := range r.Differences {
		if d.Cause < 0 || d.Cause >= len(r.Causes) {
			t.Errorf("%s %s has no cause", d.Class, d.Path)
		}
	}
}

func TestAReproductionOfWhatIsNotThereIsAnError(t *testing.T) {
	for _, ref := range []string{"oci:nowhere", "docker-archive:nowhere.tar"} {
		_, err := Reproduce(t.Context(), ref, Options{Offline: true}, ReproduceOptions{})
		if e, ok := errors.AsType[*RunError](err); !ok || e.Input != ref {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestOneImageIsReproducedAtATime(t *testing.T) {
	corpus.Dir(t)
	o := warmOptions(t)
	o.Platform, o.AllPlatforms = "", true
	_, err := Reproduce(t.Context(), "oci:"+corpus.Dir(t)+"/images/alpine-3.20.3", o, ReproduceOptions{})
	if e, ok := errors.AsType[*RunError](err); !ok || e.Code != "usage" {
		t.Error(err)
	}
}
