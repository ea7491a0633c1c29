package corpus

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Record is one real image of 2018 with the Dockerfile that the library's
// newest entry named that day.
type Record struct {
	Ref, Name, OS, Architecture string
	Arch                        string // bashbrew's name of the architecture
	Variant                     *string
	History                     []struct {
		Created   time.Time `json:"created"`
		CreatedBy string    `json:"created_by"`
	}
	Layers []struct {
		Digest v1.Hash
		Size   int64
	}
	Source struct {
		Repo, Commit, Directory, File string
	}
	Dockerfile string
}

// records is how many the corpus holds.
const records = 547

// Records reads the real images of 2018.
func Records(t testing.TB) []Record {
	t.Helper()
	f, err := os.Open(filepath.Join(Dir(t), "histories", "official-2018-03.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []Record
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	if err := lines.Err(); err != nil || len(out) != records {
		t.Fatalf("the corpus has %d records (%v), want %d", len(out), err, records)
	}
	return out
}

// Entries puts the history together. Which entries left no layer is not
// recorded: metadata did not, and where there are more entries than layers the
// oldest RUN entries, the base image's, did not either.
func (r Record) Entries() []v1.History {
	out := make([]v1.History, len(r.History))
	more := -len(r.Layers)
	for i, h := range r.History {
		out[i] = v1.History{Created: v1.Time{Time: h.Created}, CreatedBy: h.CreatedBy, EmptyLayer: strings.Contains(h.CreatedBy, "#(nop)  ")}
		if !out[i].EmptyLayer {
			more++
		}
	}
	for i := range out {
		if more > 0 && !strings.Contains(out[i].CreatedBy, "#(nop)") {
			out[i].EmptyLayer, more = true, more-1
		}
	}
	return out
}

// Platform is the record's platform.
func (r Record) Platform() v1.Platform {
	p := v1.Platform{OS: r.OS, Architecture: r.Architecture}
	if r.Variant != nil {
		p.Variant = *r.Variant
	}
	return p
}

// Created is when the image was made: the time of its last entry.
func (r Record) Created() time.Time { return r.History[len(r.History)-1].Created }
