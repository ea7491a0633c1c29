package verify

import (
	"context"
	"fmt"
	"strings"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/filetree"
)

// What of changed files is read again: files of up to maxChanged bytes, and of
// those at most maxChangedFiles and maxChangedBytes in all, which are kept in
// memory.
const (
	maxChanged      = 8 << 20
	maxChangedFiles = 200
	maxChangedBytes = 64 << 20
)

// contentDifference is a difference of a file's content that waits to be read.
type contentDifference struct {
	entry DiffEntry
	a, b  located
	noise filetree.Noise
	// doubtful says that the contents tell whether it is that noise.
	doubtful bool
}

// later keeps a difference in content until all of them are known.
func (c *diffing) later(e DiffEntry, a, b located, noise filetree.Noise, doubtful bool) {
	c.contents = append(c.contents, contentDifference{entry: e, a: a, b: b, noise: noise, doubtful: doubtful})
}

// readContents reads the changed files, where that was asked for, and adds
// their differences.
func (c *diffing) readContents(ctx context.Context) error {
	defer c.session.timeStage("contents")()
	chosen := c.choose()
	a, err := c.contentsOf(ctx, c.a, chosen, sideA)
	if err != nil {
		return runError(c.report.A.Reference, err)
	}
	b, err := c.contentsOf(ctx, c.b, chosen, sideB)
	if err != nil {
		return runError(c.report.B.Reference, err)
	}
	for _, d := range c.contents {
		x, inA := a[keyOf(d.a)]
		y, inB := b[keyOf(d.b)]
		if inA && inB {
			if d.doubtful && d.noise.Told(x, y) {
				d.entry.Noise = d.noise.Name
			}
			d.entry.Change = filetree.Change(x, y)
		} else {
			c.report.Unread++
		}
		c.add(d.entry, Different)
	}
	return nil
}

// choose takes the differences whose files are read again.
func (c *diffing) choose() []contentDifference {
	if cost := c.rereadCost(); c.options.Reread >= 0 && cost > c.options.Reread {
		return nil
	}
	var out []contentDifference
	var bytes int64
	for _, d := range c.contents {
		size := d.a.entry.Size + d.b.entry.Size
		if max(d.a.entry.Size, d.b.entry.Size) > maxChanged || bytes+size > maxChangedBytes || len(out) == maxChangedFiles {
			continue
		}
		out, bytes = append(out, d), bytes+size
	}
	return out
}

// rereadCost is the size of the blobs that hold changed files.
func (c *diffing) rereadCost() int64 {
	var cost int64
	for _, side := range []struct {
		f  *facts
		of func(contentDifference) located
	}{{c.a, sideA}, {c.b, sideB}} {
		seen := map[int]bool{}
		for _, d := range c.contents {
			if layer := side.of(d).layer; !seen[layer] {
				seen[layer] = true
				cost += side.f.layers[layer].desc.Size
			}
		}
	}
	return cost
}

func sideA(d contentDifference) located { return d.a }
func sideB(d contentDifference) located { return d.b }

// contentKey names a file by its layer and the path that it has there.
type contentKey struct {
	layer int
	path  string
}

// keyOf is where a file's content lies: under its first name.
func keyOf(l located) contentKey {
	path := l.entry.Path
	if l.entry.Type == '0' && l.entry.Link != "" {
		path = l.entry.Link
	}
	return contentKey{l.layer, path}
}

func (c *diffing) contentsOf(ctx context.Context, f *facts, chosen []contentDifference, side func(contentDifference) located) (map[contentKey][]byte, error) {
	byLayer := map[int]map[string]checksums.Entry{}
	for _, d := range chosen {
		l := side(d)
		key := keyOf(l)
		if byLayer[key.layer] == nil {
			byLayer[key.layer] = map[string]checksums.Entry{}
		}
		byLayer[key.layer][key.path] = l.entry
	}
	out := map[contentKey][]byte{}
	for layer, want := range byLayer {
		blob, err := f.img.Blob(ctx, f.layers[layer].desc)
		if err != nil {
			return nil, err
		}
		found, err := checksums.ReadContents(ctx, blob, want)
		blob.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", layerName(layer), err)
		}
		for path, data := range found {
			out[contentKey{layer, path}] = data
		}
	}
	return out, nil
}

// toValid makes text of a name that is not UTF-8, for people.
func toValid(name string) string { return strings.ToValidUTF8(name, "\ufffd") }
