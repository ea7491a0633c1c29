package signature

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify/internal/signers"
)

// mirrored is a TUF source that reads a mirror's files.
func mirrored(m *signers.Mirror, now time.Time) TUF {
	return TUF{Mirror: "https://tuf.example.com", Root: m.Root, Now: func() time.Time { return now },
		Fetch: func(_ context.Context, url string, _ int64) ([]byte, error) {
			if data, ok := m.Files[path.Base(url)]; ok {
				return data, nil
			}
			return nil, ErrNoFile
		}}
}

func TestATrustedRootIsFetchedOnceAndReadAgainWithoutANetwork(t *testing.T) {
	now := time.Now()
	m := signers.NewMirror(t, signers.Start(t).TrustedRoot(t), 5, now)
	source := mirrored(m, now)
	trust, last, err := source.Refresh(t.Context(), nil)
	if err != nil || len(trust.material.RekorLogs()) != 1 {
		t.Fatalf("refresh: %v", err)
	}
	source.Fetch = nil
	if _, at, err := source.Read(last); err != nil || !at.Equal(now.UTC()) {
		t.Errorf("read: %v, %v", at, err)
	}
	later := mirrored(m, now.Add(48*time.Hour))
	if _, _, err := later.Read(last); err != nil {
		t.Errorf("a copy that has expired since is no longer what TUF verified: %v", err)
	}
	if _, _, err := later.ReadNow(last); err == nil {
		t.Error("an expired copy is fresh")
	}
	if _, _, err := mirrored(m, now.Add(-48*time.Hour)).Read(last); err == nil || !strings.Contains(err.Error(), "in the future") {
		t.Errorf("a copy of the future: %v", err)
	}
	other := signers.NewMirror(t, signers.Start(t).TrustedRoot(t), 5, now)
	if _, _, err := mirrored(other, now).Read(last); err == nil {
		t.Error("a copy is believed by another first root")
	}
}

func TestAMirrorThatIsWrongGivesNoTrust(t *testing.T) {
	now := time.Now()
	root := signers.Start(t).TrustedRoot(t)
	other := signers.NewMirror(t, root, 5, now)
	target := func(files map[string][]byte) string {
		return slices.Collect(func(yield func(string) bool) {
			for name := range files {
				if strings.HasSuffix(name, "trusted_root.json") && !yield(name) {
					return
				}
			}
		})[0]
	}
	for name, attack := range map[string]struct {
		change func(*signers.Mirror)
		want   string
	}{
		"its metadata are rolled back":     {func(m *signers.Mirror) { m.Publish(root, 4, now) }, "rolled back"},
		"its metadata have expired":        {func(m *signers.Mirror) { m.Publish(root, 6, now.Add(-48*time.Hour)) }, "expired"},
		"its new root has expired":         {func(m *signers.Mirror) { m.Files["2.root.json"] = m.RootOf(2, now.Add(-time.Hour)) }, "expired"},
		"its new root is the old one":      {func(m *signers.Mirror) { m.Files["2.root.json"] = m.RootOf(1, now.Add(time.Hour)) }, "version"},
		"its new root is of another's key": {func(m *signers.Mirror) { m.Files["2.root.json"] = other.RootOf(2, now.Add(time.Hour)) }, "not enough signatures"},
		"its timestamp is another's":       {func(m *signers.Mirror) { m.Files["timestamp.json"] = other.Files["timestamp.json"] }, "not enough signatures"},
		"its timestamp is cut short":       {func(m *signers.Mirror) { m.Files["timestamp.json"] = m.Files["timestamp.json"][:40] }, "unexpected end"},
		"its timestamp is null":            {func(m *signers.Mirror) { m.Files["timestamp.json"] = []byte("null") }, ""},
		"its targets are an array":         {func(m *signers.Mirror) { m.Files["5.targets.json"] = []byte("[]") }, ""},
		"it has no snapshot":               {func(m *signers.Mirror) { delete(m.Files, "5.snapshot.json") }, "404"},
		"its timestamp is huge":            {func(m *signers.Mirror) { m.Files["timestamp.json"] = bytes.Repeat([]byte(" "), 1<<20) }, "more than 16384 bytes"},
		"its trusted root is changed": {func(m *signers.Mirror) {
			m.Files[target(m.Files)] = bytes.Replace(root, []byte("http"), []byte("ptth"), 1)
		}, "hash"},
		"its trusted root is signed nonsense":  {func(m *signers.Mirror) { m.Publish([]byte(`{"mediaType":1}`), 6, now) }, "trusted root"},
		"its trusted root is signed, and huge": {func(m *signers.Mirror) { m.Publish(bytes.Repeat([]byte(" "), MaxTrustedRoot+1), 6, now) }, "more than 4194304"},
	} {
		t.Run(name, func(t *testing.T) {
			m := signers.NewMirror(t, root, 5, now)
			source := mirrored(m, now)
			_, last, err := source.Refresh(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			m.Files = maps.Clone(m.Files)
			attack.change(m)
			trust, _, err := source.Refresh(t.Context(), last)
			if err == nil || trust != nil || !strings.Contains(err.Error(), attack.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one of %q", err, attack.want)
			}
		})
	}
}

func TestARootsTurnIsFollowedToItsBound(t *testing.T) {
	now := time.Now()
	m := signers.NewMirror(t, signers.Start(t).TrustedRoot(t), 5, now)
	m.Files["2.root.json"] = m.RootOf(2, now.Add(-time.Hour)) // only the last must not have expired
	m.Files["3.root.json"] = m.RootOf(3, now.Add(time.Hour))
	_, last, err := mirrored(m, now).Refresh(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for v := int64(4); v <= MaxTUFRoots+1; v++ {
		m.Files[fmt.Sprint(v, ".root.json")] = m.RootOf(v, now.Add(time.Hour))
	}
	if _, _, err := mirrored(m, now).Refresh(t.Context(), last); err != nil {
		t.Errorf("%d roots: %v", MaxTUFRoots, err)
	}
	m.Files[fmt.Sprint(MaxTUFRoots+2, ".root.json")] = m.RootOf(MaxTUFRoots+2, now.Add(time.Hour))
	if _, _, err := mirrored(m, now).Refresh(t.Context(), last); err == nil || !strings.Contains(err.Error(), "more than 64 roots") {
		t.Errorf("a root more: %v", err)
	}
	for v := 3; v <= MaxTUFRoots+2; v++ {
		delete(m.Files, fmt.Sprint(v, ".root.json"))
	}
	m.Files["2.root.json"] = m.RootOf(2, now.Add(time.Hour))
	if _, _, err := mirrored(m, now).Refresh(t.Context(), last); err == nil || !strings.Contains(err.Error(), "its root has the version 2, and was seen with 3") {
		t.Errorf("a root that was withdrawn: %v", err)
	}
}

func TestAMirrorGivesNoMoreThanTheBound(t *testing.T) {
	file := make([]byte, 10)
	r := &recorder{ctx: t.Context(), copy: tufCopy{Files: map[string][]byte{}}, fetch: func(context.Context, string, int64) ([]byte, error) { return file, nil }}
	r.bytes = MaxTUFBytes - 10
	if _, err := r.DownloadFile("https://tuf.example.com/a", 100, 0); err != nil {
		t.Errorf("at the bound: %v", err)
	}
	r.bytes = MaxTUFBytes - 9
	if _, err := r.DownloadFile("https://tuf.example.com/a", 100, 0); err == nil || !strings.Contains(err.Error(), "more than 9 bytes") {
		t.Errorf("a byte more: %v", err)
	}
}

func TestACopyThatWasTamperedWithIsNotBelieved(t *testing.T) {
	now := time.Now()
	m := signers.NewMirror(t, signers.Start(t).TrustedRoot(t), 5, now)
	source := mirrored(m, now)
	_, last, err := source.Refresh(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var c tufCopy
	if err := json.Unmarshal(last, &c); err != nil {
		t.Fatal(err)
	}
	for name := range c.Files {
		changed := tufCopy{At: c.At, Files: maps.Clone(c.Files)}
		changed.Files[name] = bytes.Replace(c.Files[name], []byte("e"), []byte("f"), 1)
		data, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := source.Read(data); err == nil {
			t.Errorf("%s was changed", name)
		}
	}
	for _, data := range []string{"", "null", "[]", "{", `{"at":1}`, `{"files":{"timestamp.json":"!"}}`} {
		if _, _, err := source.Read([]byte(data)); err == nil {
			t.Errorf("%q is a copy", data)
		}
	}
}

func TestAMirrorThatDoesNotAnswerIsNamed(t *testing.T) {
	m := signers.NewMirror(t, signers.Start(t).TrustedRoot(t), 5, time.Now())
	source := mirrored(m, time.Now())
	source.Fetch = func(context.Context, string, int64) ([]byte, error) { return nil, errors.New("no byte for 30s") }
	_, _, err := source.Refresh(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "https://tuf.example.com") || !strings.Contains(err.Error(), "no byte for 30s") {
		t.Errorf("error %v", err)
	}
}
