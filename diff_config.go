package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/checksums/filetree"
)

// compareManifests compares annotations, media types and, where nothing else
// tells the two apart, the bytes.
func (c *diffing) compareManifests() {
	a, b := c.a.manifest(), c.b.manifest()
	if !c.a.img.HasManifest() || !c.b.img.HasManifest() || c.a.img.Descriptor.Digest == c.b.img.Descriptor.Digest {
		return
	}
	for _, key := range keysOf(a.Annotations, b.Annotations) {
		x, inA := a.Annotations[key]
		y, inB := b.Annotations[key]
		if x != y || inA != inB {
			c.add(DiffEntry{Path: key, Class: classAnnotation, A: x, B: y}, SameImageID)
		}
	}
	if a.MediaType != b.MediaType {
		c.add(DiffEntry{Path: "manifest", Class: string(filetree.Format), A: string(a.MediaType), B: string(b.MediaType)}, SameImageID)
	}
	if len(c.report.Differences) == 0 && sameParts(a, b) {
		c.add(DiffEntry{Path: "manifest", Class: string(filetree.Format), A: c.a.img.Descriptor.Digest.String(), B: c.b.img.Descriptor.Digest.String()}, SameImageID)
	}
}

// sameParts reports whether two manifests name the same config and layers.
func sameParts(a, b *v1.Manifest) bool {
	return sameHash(a.Config, b.Config) && slices.EqualFunc(a.Layers, b.Layers, sameHash)
}

func keysOf[V any](a, b map[string]V) []string {
	all := map[string]bool{}
	for _, m := range []map[string]V{a, b} {
		for key := range m {
			all[key] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// buildTimes are the members of a config that say when something was built.
var buildTimes = []string{"created", "history[].created"}

// compareConfigs compares the two configs member by member; the diff IDs are
// compared with the layers.
func (c *diffing) compareConfigs() {
	if c.a.manifest().Config.Digest == c.b.manifest().Config.Digest {
		return
	}
	before := len(c.report.Differences)
	for _, e := range configDifferences(c.a.config.Raw, c.b.config.Raw) {
		c.add(e, SameLayers)
	}
	if len(c.report.Differences) == before && slices.Equal(c.report.A.Layers, c.report.B.Layers) {
		c.add(DiffEntry{Path: "config", Class: string(filetree.Format), A: c.report.A.ImageID, B: c.report.B.ImageID}, SameLayers)
	}
}

// configDifferences are the members in which two configs differ, but for the
// diff IDs.
func configDifferences(a, b []byte) []DiffEntry {
	var out []DiffEntry
	x, y := flatJSON(a), flatJSON(b)
	for _, key := range keysOf(x, y) {
		if x[key] == y[key] || strings.HasPrefix(key, "rootfs.diff_ids") {
			continue
		}
		e := DiffEntry{Path: key, Class: classConfig, A: x[key], B: y[key]}
		if slices.Contains(buildTimes, withoutIndexes(key)) {
			e.Noise = "time"
		}
		out = append(out, e)
	}
	return out
}

// withoutIndexes writes "history[3].created" as "history[].created".
func withoutIndexes(key string) string {
	before, rest, found := strings.Cut(key, "[")
	if !found {
		return key
	}
	_, after, _ := strings.Cut(rest, "]")
	return before + "[]" + withoutIndexes(after)
}

// flatJSON gives the leaves of a document by path: "config.Env[0]" → `"A=1"`.
// Empty lists and objects are leaves. What does not parse is one leaf.
func flatJSON(data []byte) map[string]string {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var document any
	if err := d.Decode(&document); err != nil {
		return map[string]string{"": string(data)}
	}
	out := map[string]string{}
	flatten("", document, out)
	return out
}

func flatten(path string, value any, out map[string]string) {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			flatten(strings.TrimPrefix(path+"."+key, "."), member, out)
		}
		if len(v) > 0 {
			return
		}
	case []any:
		for i, member := range v {
			flatten(fmt.Sprintf("%s[%d]", path, i), member, out)
		}
		if len(v) > 0 {
			return
		}
	}
	text, err := json.Marshal(value)
	if err != nil {
		text = fmt.Append(nil, value) // what was decoded can be encoded
	}
	out[path] = string(text)
}
