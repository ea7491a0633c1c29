package replay

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/provenance/dockerfile"
)

// entryOf is an entry of a layer that a test changes.
type entryOf struct {
	head *tar.Header
	data []byte
}

func readEntries(t testing.TB, archive []byte) []entryOf {
	t.Helper()
	var out []entryOf
	for tr := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, entryOf{h, data})
	}
}

func writeEntries(t testing.TB, entries []entryOf) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := *e.head
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(e.data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// attackedLayer has one of everything: over a base, so that it has a mark.
func attackedLayer(t testing.TB) (*Played, Stamp) {
	t.Helper()
	data := archiveOf(t, nil, append(rootfs(""), written{name: "old/", mode: dirBit | 0o755}, written{name: "old/new", mode: 0o644, text: "n"}, written{name: ".wh.gone", mode: 0o600}))
	p, err := Play(t.Context(), Input{Directive: addOf("/", "a.tar"), Context: archiveContext([]byte(data)), Dialect: Classic,
		Lower: below(lowerFile("old", "file"), lowerFile("gone", "file"))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p, Stamp{Time: func(string) (time.Time, bool) { return someTime, true }}
}

func TestNoChangeOfAPublishedLayerGoesUnseenOrUnexplained(t *testing.T) {
	p, stamp := attackedLayer(t)
	var honest bytes.Buffer
	w, err := p.Write(t.Context(), stamp, &honest)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := p.Explain(t.Context(), stamp, bytes.NewReader(honest.Bytes())); d != nil || err != nil {
		t.Fatalf("the layer itself: %v (error %v)", d, err)
	}
	entries := readEntries(t, honest.Bytes())
	if again := writeEntries(t, entries); !bytes.Equal(again, honest.Bytes()) {
		t.Fatal("writing what was read gives other bytes")
	}
	at := func(name string) int {
		i := slices.IndexFunc(entries, func(e entryOf) bool { return e.head.Name == name })
		if i < 0 {
			t.Fatalf("no %s", name)
		}
		return i
	}
	head := func(name string, change func(*tar.Header)) func([]entryOf) []entryOf {
		return func(all []entryOf) []entryOf {
			change(all[at(name)].head)
			return all
		}
	}
	for _, c := range []struct {
		name   string
		change func([]entryOf) []entryOf
		path   string
		field  string
	}{
		{"one bit of content", func(all []entryOf) []entryOf { all[at("big")].data[5000] ^= 1; return all }, "big", FieldContent},
		{"the last byte of content", func(all []entryOf) []entryOf { all[at("big")].data[99999] ^= 128; return all }, "big", FieldContent},
		{"content longer", func(all []entryOf) []entryOf { all[at("b/a")].data = []byte("aa"); return all }, "b/a", "size"},
		{"content gone", func(all []entryOf) []entryOf { all[at("b/a")].data = nil; return all }, "b/a", "size"},
		{"one bit of a mode", head("b/a", func(h *tar.Header) { h.Mode |= 1 }), "b/a", "mode"},
		{"setuid dropped", head("a/suid", func(h *tar.Header) { h.Mode &^= 0o4000 }), "a/suid", "mode"},
		{"file type bits dropped", head("b/", func(h *tar.Header) { h.Mode &= 0o7777 }), "b", "mode"},
		{"mode of a directory", head("a/", func(h *tar.Header) { h.Mode ^= 0o1000 }), "a", "mode"},
		{"user", head("b/a", func(h *tar.Header) { h.Uid = 1 }), "b/a", "owner"},
		{"group", head("a/l", func(h *tar.Header) { h.Gid = 0 }), "a/l", "owner"},
		{"a user's name", head("b/a", func(h *tar.Header) { h.Uname = "root" }), "b/a", "user"},
		{"a group's name", head("b/a", func(h *tar.Header) { h.Gname = "root" }), "b/a", "group"},
		{"a name", head("b/a", func(h *tar.Header) { h.Name = "b/A" }), "b/a", FieldEntry},
		{"how a name is written", head("b/a", func(h *tar.Header) { h.Name = "./b/a" }), "b/a", "name"},
		{"a directory without its slash", head("a/", func(h *tar.Header) { h.Name = "a" }), "a", "name"},
		{"a link's target", head("a/l", func(h *tar.Header) { h.Linkname = "/b/a" }), "a/l", "link"},
		{"a hard link's target", head("b/z", func(h *tar.Header) { h.Linkname = "b/a" }), "b/z", "link"},
		{"a hard link made a file", func(all []entryOf) []entryOf {
			e := &all[at("b/z")]
			e.head.Typeflag, e.head.Linkname, e.data = tar.TypeReg, "", []byte("z")
			return all
		}, "b/z", "type"},
		{"a file made a link", head("empty", func(h *tar.Header) { h.Typeflag, h.Linkname = tar.TypeSymlink, "b/a" }), "empty", "type"},
		{"a capability", head("ping", func(h *tar.Header) {
			//lint:ignore SA1019 the writer takes attributes from the old field too
			h.PAXRecords, h.Xattrs = map[string]string{xattrRecord + capability: "other"}, nil
		}), "ping", capability},
		{"a capability dropped", head("ping", func(h *tar.Header) {
			//lint:ignore SA1019 the writer takes attributes from the old field too
			h.PAXRecords, h.Xattrs = nil, nil
		}), "ping", capability},
		{"a capability added", head("b/a", func(h *tar.Header) {
			h.PAXRecords, h.Format = map[string]string{xattrRecord + capability: "cap"}, tar.FormatPAX
		}), "b/a", capability},
		{"another attribute added", head("b/a", func(h *tar.Header) {
			h.PAXRecords, h.Format = map[string]string{xattrRecord + "user.note": "n"}, tar.FormatPAX
		}), "b/a", "user.note"},
		{"a device's number", head("dev/null", func(h *tar.Header) { h.Devminor = 8 }), "dev/null", "device"},
		{"a device's kind", head("dev/null", func(h *tar.Header) { h.Typeflag = tar.TypeBlock }), "dev/null", "type"},
		{"a time", head("b/a", func(h *tar.Header) { h.ModTime = h.ModTime.Add(time.Second) }), "b/a", "time"},
		{"a part of a second", head("b/a", func(h *tar.Header) { h.ModTime, h.Format = h.ModTime.Add(time.Nanosecond), tar.FormatPAX }), "b/a", "time"},
		{"a time of access", head("b/a", func(h *tar.Header) { h.AccessTime, h.Format = someTime, tar.FormatPAX }), "b/a", "atime"},
		{"an entry added", func(all []entryOf) []entryOf {
			return slices.Insert(all, at("b/a"), entryOf{&tar.Header{Typeflag: tar.TypeReg, Name: "b/A", Mode: 0o100644, ModTime: someTime}, nil})
		}, "b/A", FieldEntry},
		{"an entry added at the end", func(all []entryOf) []entryOf {
			return append(all, entryOf{&tar.Header{Typeflag: tar.TypeReg, Name: "zz", Mode: 0o100644, ModTime: someTime}, nil})
		}, "zz", FieldEntry},
		{"an entry twice", func(all []entryOf) []entryOf { return slices.Insert(all, at("b/a"), all[at("b/a")]) }, "b/a", FieldEntry},
		{"an entry removed", func(all []entryOf) []entryOf { return slices.Delete(all, at("b/a"), at("b/a")+1) }, "b/a", FieldEntry},
		{"the last entry removed", func(all []entryOf) []entryOf { return all[:len(all)-1] }, "ping", FieldEntry},
		{"two entries swapped", func(all []entryOf) []entryOf {
			i, j := at("b/a"), at("b-c")
			all[i], all[j] = all[j], all[i]
			return all
		}, "b-c", FieldOrder},
		{"a whiteout removed", func(all []entryOf) []entryOf { return slices.Delete(all, at(".wh.gone"), at(".wh.gone")+1) }, ".wh.gone", FieldEntry},
		{"a whiteout added", func(all []entryOf) []entryOf {
			return slices.Insert(all, at("b/"), entryOf{&tar.Header{Typeflag: tar.TypeReg, Name: "a/.wh.x", Mode: 0o600, ModTime: someTime}, nil})
		}, "a/.wh.x", FieldEntry},
		{"a whiteout's mode", head(".wh.gone", func(h *tar.Header) { h.Mode = 0 }), ".wh.gone", "mode"},
		{"the mark of an opaque directory removed", func(all []entryOf) []entryOf {
			i := at("old/" + checksums.OpaqueName)
			return slices.Delete(all, i, i+1)
		}, "old/" + checksums.OpaqueName, FieldEntry},
		{"a directory made opaque", func(all []entryOf) []entryOf {
			return slices.Insert(all, at("a/")+1, entryOf{&tar.Header{Typeflag: tar.TypeReg, Name: "a/" + checksums.OpaqueName, Mode: 0o777}, nil})
		}, "a/" + checksums.OpaqueName, FieldEntry},
		{"another format", func(all []entryOf) []entryOf {
			for i := range all {
				if all[i].head.Format != tar.FormatPAX {
					all[i].head.Format = tar.FormatGNU
				}
			}
			return all
		}, "", FieldArchive},
	} {
		t.Run(c.name, func(t *testing.T) {
			copied := make([]entryOf, len(entries))
			for i, e := range entries {
				h := *e.head
				h.PAXRecords = maps.Clone(h.PAXRecords)
				copied[i] = entryOf{&h, slices.Clone(e.data)}
			}
			changed := writeEntries(t, c.change(copied))
			if bytes.Equal(changed, honest.Bytes()) {
				t.Fatal("nothing was changed")
			}
			if got := diffIDOf(changed); got == w.DiffID.Hex {
				t.Error("the diff ID is the same")
			}
			d, err := p.Explain(t.Context(), stamp, bytes.NewReader(changed))
			if err != nil || d == nil {
				t.Fatalf("not explained (error %v)", err)
			}
			if d.Path != c.path || d.Field != c.field || d.Replayed == d.Published {
				t.Errorf("explained as %v, want %s: %s", d, c.path, c.field)
			}
		})
	}
	behind := append(slices.Clone(honest.Bytes()), make([]byte, 512)...)
	if d, err := p.Explain(t.Context(), stamp, bytes.NewReader(behind)); err != nil || d == nil || d.Field != FieldArchive {
		t.Errorf("bytes behind the end: %v (error %v)", d, err)
	}
}

// Witnesses are times alone: a function that answers with the published
// layer's times cannot hide anything else, and not where the source says the
// time.
func TestTimesFromElsewhereCountOnlyWhereTheSourceIsSilent(t *testing.T) {
	evil := time.Unix(1, 0)
	data := makeTar(t, map[string]string{"d/x": "1"}, file("d/x", 0o644))
	for _, c := range []struct {
		name      string
		directive dockerfile.Directive
		stamp     Stamp
		asked     []string
		undated   []string
	}{
		{"an archive's members have their own", addOf("/", "a.tar"), Stamp{Time: func(string) (time.Time, bool) { return evil, true }}, []string{"d"}, nil},
		{"a copied file has none", copyOf("/y/", "a.tar"), Stamp{Time: func(string) (time.Time, bool) { return evil, true }}, []string{"y", "y/a.tar"}, nil},
		{"nobody knows", copyOf("/y/", "a.tar"), Stamp{}, nil, []string{"y", "y/a.tar"}},
		{"a source date stands for all", copyOf("/y/", "a.tar"), Stamp{SourceDate: someTime}, nil, nil},
		{"and for later times", copyOf("/y/", "a.tar"), Stamp{SourceDate: someTime, Time: func(string) (time.Time, bool) { return someTime.Add(1), true }}, nil, nil},
		{"not for earlier ones", copyOf("/y/", "a.tar"), Stamp{SourceDate: someTime, Time: func(string) (time.Time, bool) { return evil, true }}, []string{"y", "y/a.tar"}, nil},
	} {
		w, err := WriteLayer(t.Context(), Input{Directive: c.directive, Context: archiveContext(data), Dialect: BuildKit}, c.stamp, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var asked []string
		for _, a := range w.Times {
			asked = append(asked, a.Path)
		}
		if !slices.Equal(asked, c.asked) || !slices.Equal(w.Undated, c.undated) {
			t.Errorf("%s: asked for %q, none for %q; want %q, %q", c.name, asked, w.Undated, c.asked, c.undated)
		}
	}
}

func TestAPublishedLayerThatCannotBeReadIsAnError(t *testing.T) {
	p, stamp := attackedLayer(t)
	var honest bytes.Buffer
	if _, err := p.Write(t.Context(), stamp, &honest); err != nil {
		t.Fatal(err)
	}
	for name, published := range map[string]io.Reader{
		"cut":    bytes.NewReader(honest.Bytes()[:honest.Len()/2]),
		"noise":  strings.NewReader(strings.Repeat("noise", 1000)),
		"broken": io.MultiReader(bytes.NewReader(honest.Bytes()[:1000]), brokenReader{}),
	} {
		if d, err := p.Explain(t.Context(), stamp, published); err == nil {
			t.Errorf("%s: %v and no error", name, d)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Explain(ctx, stamp, bytes.NewReader(honest.Bytes())); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: error %v", err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errMismatch }
