package layout

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/imageverify/verify/checksums"
)

func wantLimit(t *testing.T, name string, err error, limit int64) {
	t.Helper()
	over, ok := errors.AsType[*checksums.LimitError](err)
	if limit == 0 && ok || limit != 0 && (!ok || over.Limit != limit || Contradiction(err)) {
		t.Errorf("%s: %v, want the limit %d", name, err, limit)
	}
}

func TestTheSizeOfAnIndexIsBounded(t *testing.T) {
	for size, limit := range map[int]int64{maxDocument: 0, maxDocument + 1: maxDocument} {
		f := newFixture(t)
		f.files["index.json"] += strings.Repeat(" ", size-len(f.files["index.json"]))
		err := part(t, f.compareOne("", f.subject()), PartIndex).Err
		wantLimit(t, fmt.Sprint(size), err, limit)
		if limit == 0 && err != nil {
			t.Errorf("an index of %d bytes: %v", size, err)
		}
	}
}

func TestTheSizeOfAManifestIsBounded(t *testing.T) {
	for size, limit := range map[int]int64{maxDocument: 0, maxDocument + 1: maxDocument} {
		f := newFixture(t)
		delete(f.files, blobPath(f.manifest))
		f.manifest += strings.Repeat(" ", size-len(f.manifest))
		f.files[blobPath(f.manifest)] = f.manifest
		f.index(f.entry())
		_, err := Compare(t.Context(), f.root(newRepo(t)), fixtureDir, "", f.subject())
		wantLimit(t, "the image's", err, limit)
		wantLimit(t, "in git", part(t, f.compareOne("", f.unnamed()), PartManifest).Err, limit)
	}
}

func entries(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = `{"mediaType":"text/plain","size":1,"digest":"sha256:` + numbered(i) + `"}`
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestListsAreCountedBeforeTheyAreRead(t *testing.T) {
	config := `"config":{"mediaType":"x","size":1,"digest":"sha256:` + numbered(0) + `"}`
	for n, limit := range map[int]int64{maxEntries: 0, maxEntries + 1: maxEntries} {
		_, err := parseIndex([]byte(`{"schemaVersion":2,"manifests":` + entries(n) + `}`))
		wantLimit(t, "index", err, limit)
		_, err = parseManifest([]byte(`{"schemaVersion":2,` + config + `,"layers":` + entries(n) + `}`))
		wantLimit(t, "manifest", err, limit)
		if limit == 0 && err != nil {
			t.Errorf("a manifest of %d layers: %v", n, err)
		}
	}
	flood := `{"schemaVersion":2,"manifests":[` + strings.Repeat("{},", maxDocument/3) + `{}]}`
	if grown := testing.AllocsPerRun(1, func() { parseIndex([]byte(flood)) }); grown > 100 {
		t.Errorf("a flood of empty entries takes %.0f allocations", grown)
	}
}

func TestTheDepthOfIndexesIsBounded(t *testing.T) {
	for depth, limit := range map[int]int64{maxIndexDepth: 0, maxIndexDepth + 1: maxIndexDepth} {
		f := newFixture(t)
		d := f.entry()
		for range depth {
			d = f.nested(d)
		}
		f.index(d)
		wantLimit(t, fmt.Sprint(depth), part(t, f.compareOne("", f.subject()), PartIndex).Err, limit)
	}
}

func TestTheNumberOfIndexesIsBounded(t *testing.T) {
	for n, limit := range map[int]int64{maxIndexes: 0, maxIndexes + 1: maxIndexes} {
		f := newFixture(t)
		list := []string{}
		for i := range n {
			text := fmt.Sprintf(`{"schemaVersion":2,"manifests":[],"n":%d}`, i)
			f.files[blobPath(text)] = text
			list = append(list, marshal(t, descriptor(types.OCIImageIndex, text)))
		}
		list = append(list, marshal(t, f.entry()))
		f.files["index.json"] = `{"schemaVersion":2,"manifests":[` + strings.Join(list, ",") + `]}`
		wantLimit(t, fmt.Sprint(n), part(t, f.compareOne("", f.subject()), PartIndex).Err, limit)
	}
}

func TestALayersUnpackedBytesAreBounded(t *testing.T) {
	text := strings.Repeat("a", 100_000)
	for limit, over := range map[int64]int64{100_000: 0, 99_999: 99_999} {
		wantLimit(t, fmt.Sprint(limit), unpack(strings.NewReader(gzipped(text)), hashOf(text), limit), over)
	}
}

func TestTheLinksOfAPathAreBounded(t *testing.T) {
	for links, ok := range map[int]bool{maxLinks: true, maxLinks + 1: false} {
		f := newFixture(t)
		f.files["0"] = f.layers[0]
		for i := 1; i < links; i++ {
			f.files[fmt.Sprint(i)] = link + fmt.Sprint(i-1)
		}
		f.files[blobPath(f.layers[0])] = link + "../../" + fmt.Sprint(links-1)
		err := part(t, f.compareOne("", f.subject()), "layer 1").Err
		if ok && err != nil || !ok && !errors.Is(err, ErrAbsent) {
			t.Errorf("%d links: %v", links, err)
		}
	}
}
