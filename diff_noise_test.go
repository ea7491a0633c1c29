package verify

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"maps"
	"strings"
	"testing"
	"time"
)

// gzippedAs is a gzip file of a text with a name and a time in its header.
func gzippedAs(t *testing.T, name string, seconds int64, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Name, w.ModTime = name, time.Unix(seconds, 0)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEachKnownNoiseIsNamedAndCountedAndCountsForNothingWhereItIsIgnored has,
// for every noise that is documented, two images that differ in it alone.
func TestEachKnownNoiseIsNamedAndCountedAndCountsForNothingWhereItIsIgnored(t *testing.T) {
	pair := func(a, b entry) [2]*specimen {
		return [2]*specimen{imageOf(t, []entry{a}), imageOf(t, []entry{b})}
	}
	text := func(path string) [2]*specimen { return pair(file(path, "1"), file(path, "2")) }
	stamped := func(e entry, at time.Time) entry {
		return with(e, func(h *tar.Header) { h.ModTime = at })
	}
	compressed := pair(file("f", "1"), file("f", "1"))
	recompressed(compressed[1])
	pyc := func(stamp string) entry {
		return file("usr/lib/x.pyc", "\xcb\x0d\x0d\x0a\x00\x00\x00\x00"+stamp+strings.Repeat("code", 9))
	}
	pairs := map[string][2]*specimen{
		"time":           pair(stamped(file("f", "1"), time.Unix(5, 0)), stamped(file("f", "1"), time.Unix(6, 0))),
		"ldconfig-cache": text("var/cache/ldconfig/aux-cache"),
		"machine-id":     text("etc/machine-id"),
		"package-log":    text("var/log/apt/history.log"),
		"log":            text("var/log/app.log"),
		"pyc-stamp":      pair(pyc("11112222"), pyc("33334444")),
		"apk-db-order":   pair(file("lib/apk/db/installed", "P:a\nV:1\n\nP:b\nV:1\n\n"), file("lib/apk/db/installed", "P:b\nV:1\n\nP:a\nV:1\n\n")),
		"gzip-header":    pair(file("x.gz", gzippedAs(t, "x", 1, "text")), file("x.gz", gzippedAs(t, "", 2, "text"))),
		"archive-form":   pair(stamped(file("f", "1"), time.Unix(5, 1000)), stamped(file("f", "1"), time.Unix(5, 2000))),
		"compression":    compressed,
	}
	for _, name := range NoiseNames() {
		t.Run(name, func(t *testing.T) {
			p, ok := pairs[name]
			if !ok {
				t.Fatal("the noise has no pair of images")
			}
			r := diff(t, p[0], p[1], DiffOptions{Reread: -1})
			if !maps.Equal(r.Noise, map[string]int{name: 1}) || len(r.Differences) != 1 || r.Level == SameDigest || r.Judged != r.Level {
				t.Errorf("level %s, judged %s, noise %v, %q", r.Level, r.Judged, r.Noise, diffLines(r))
			}
			for _, ignored := range []string{name, allNoise} {
				quiet := diff(t, p[0], p[1], DiffOptions{Reread: -1, Ignore: []string{ignored}})
				if quiet.Judged != SameDigest || quiet.Level != r.Level || len(quiet.Differences) != 1 {
					t.Errorf("ignoring %s: level %s, judged %s, %q", ignored, quiet.Level, quiet.Judged, diffLines(quiet))
				}
			}
			for _, other := range NoiseNames() {
				if other != name {
					if r := diff(t, p[0], p[1], DiffOptions{Reread: -1, Ignore: []string{other}}); r.Judged == SameDigest {
						t.Errorf("it counts for nothing where %s is ignored", other)
					}
				}
			}
		})
	}
	if len(pairs) != len(NoiseNames()) {
		t.Errorf("%d pairs for %d noises", len(pairs), len(NoiseNames()))
	}
}
