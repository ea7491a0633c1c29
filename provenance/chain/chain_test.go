package chain

import (
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func hash(digit string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(digit, 64)} }

func config(layers string, entries ...string) *v1.ConfigFile {
	c := &v1.ConfigFile{}
	for _, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, hash(string(l)))
	}
	for _, e := range entries {
		c.History = append(c.History, v1.History{CreatedBy: e})
	}
	return c
}

func TestABaseIsWhatLiesLowestAndOldest(t *testing.T) {
	image := config("abc", "A", "B", "C")
	tests := []struct {
		name               string
		base               *v1.ConfigFile
		layers, history    bool
		equal, sameEntries int
	}{
		{"the base", config("ab", "A", "B"), true, true, 2, 2},
		{"the image itself", image, true, true, 3, 3},
		{"nothing", config(""), true, true, 0, 0},
		{"another layer on top", config("ax", "A", "B"), false, true, 1, 2},
		{"another layer below", config("xb", "A", "B"), false, true, 0, 2},
		{"the upper layers", config("bc", "B", "C"), false, false, 0, 0},
		{"more layers", config("abcd", "A", "B", "C"), false, true, 3, 3},
		{"another entry", config("ab", "A", "X"), true, false, 2, 1},
		{"more entries", config("abc", "A", "B", "C", "D"), true, false, 3, 3},
	}
	for _, tt := range tests {
		r := Compare(image, tt.base)
		if r.OnLayers() != tt.layers || r.OnHistory() != tt.history || r.Equal != tt.equal || r.EqualEntries != tt.sameEntries {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
}

func TestEveryFieldOfAnEntryCounts(t *testing.T) {
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	entry := v1.History{Author: "a", Created: v1.Time{Time: at}, CreatedBy: "b", Comment: "c", EmptyLayer: true}
	same := entry
	same.Created.Time = at.In(time.FixedZone("x", 3600))
	if !sameEntry(entry, same) {
		t.Error("the same instant in another zone is another entry")
	}
	for name, change := range map[string]func(*v1.History){
		"author": func(h *v1.History) { h.Author = "" }, "created": func(h *v1.History) { h.Created.Time = at.Add(1) },
		"createdBy": func(h *v1.History) { h.CreatedBy = "" }, "comment": func(h *v1.History) { h.Comment = "" },
		"emptyLayer": func(h *v1.History) { h.EmptyLayer = false },
	} {
		other := entry
		if change(&other); sameEntry(entry, other) {
			t.Errorf("another %s is the same entry", name)
		}
	}
}

// The example is the definition's own: sha256 of the parent's chain ID, a space
// and the diff ID.
func TestTheChainIDIsAsTheSpecificationHasIt(t *testing.T) {
	one := ID([]v1.Hash{hash("a")})
	if one != hash("a") {
		t.Errorf("of one layer: %s", one)
	}
	two, _, err := v1.SHA256(strings.NewReader(hash("a").String() + " " + hash("b").String()))
	if err != nil {
		t.Fatal(err)
	}
	if got := ID([]v1.Hash{hash("a"), hash("b")}); got != two {
		t.Errorf("of two layers: %s, want %s", got, two)
	}
	if ID(nil) != (v1.Hash{}) {
		t.Error("of none: not zero")
	}
}

func TestWhatLiesBelowIsCutOffWithItsTime(t *testing.T) {
	image := config("abc", "A", "B", "C")
	image.OS, image.Config.Env = "linux", []string{"A=1"}
	image.History[1].Created.Time = time.Unix(5, 0)
	lower, raw, err := Lower(image, 2, 2)
	if err != nil || len(lower.RootFS.DiffIDs) != 2 || len(lower.History) != 2 || !lower.Created.Equal(time.Unix(5, 0)) || lower.OS != "linux" || lower.Config.Env != nil {
		t.Errorf("%+v, %v", lower, err)
	}
	if !strings.Contains(string(raw), hash("b").String()) || strings.Contains(string(raw), hash("c").String()) {
		t.Errorf("%s", raw)
	}
	if _, _, err := Lower(image, 4, 1); err == nil {
		t.Error("more layers than there are")
	}
	if _, _, err := Lower(image, 1, 4); err == nil {
		t.Error("more entries than there are")
	}
}

func TestReferencesAreWritten(t *testing.T) {
	digest := "@" + hash("a").String()
	for text, want := range map[string]string{
		"alpine":                        "docker.io/library/alpine:latest",
		"alpine:3.20":                   "docker.io/library/alpine:3.20",
		"docker.io/library/alpine:3.20": "docker.io/library/alpine:3.20",
		"index.docker.io/me/app":        "docker.io/me/app:latest",
		"localhost:5000/app":            "localhost:5000/app:latest",
		"quay.io/a/b:1" + digest:        "quay.io/a/b:1" + digest,
		"quay.io/a/b" + digest:          "quay.io/a/b" + digest,
		"oci:layout":                    "docker.io/library/oci:layout",
		"docker-archive:1":              "docker.io/library/docker-archive:1",
		"oci:/etc/passwd":               "",
		"UPPER":                         "",
		"":                              "",
	} {
		got, err := Reference(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
		if err != nil {
			continue
		}
		repository, tag, pinned := Split(got)
		joined := repository
		if tag != "" {
			joined += ":" + tag
		}
		if pinned != "" {
			joined += "@" + pinned
		}
		if joined != got {
			t.Errorf("%s splits into %q, %q, %q", got, repository, tag, pinned)
		}
	}
}

func TestNamesOfOneRepository(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"mid:1", "docker.io/library/mid:1"}:       true,
		{"own/base", "localhost/own/base:latest"}:  true,
		{"mid:1", "quay.io/mid:2"}:                 true,
		{"mid:1", "docker.io/library/other:1"}:     false,
		{"quay.io/a/b:1", "quay.io/a/b:2"}:         true,
		{"quay.io/a/b:1", "docker.io/a/b:1"}:       false,
		{"localhost/a:1", "docker.io/library/a:1"}: false,
		{"mid:1", "scratch"}:                       false,
		{"mid:1", "NOT A NAME"}:                    false,
	} {
		if got := MayBe(pair[0], pair[1]); got != want {
			t.Errorf("%v: %t", pair, got)
		}
	}
}
