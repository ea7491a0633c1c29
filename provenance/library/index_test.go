package library

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"reflect"
	"testing"
	"time"
)

func sampleIndex() *index {
	return &index{
		commits: []indexCommit{{commitB, time.Unix(2000, 0).UTC()}, {commitA, time.Unix(-5, 0).UTC()}},
		images: map[string][]version{
			"alpine": {{0, ""}, {1, commitC}},
			"":       {{1, commitA}},
		},
	}
}

func TestAnIndexSurvivesTheCache(t *testing.T) {
	x := sampleIndex()
	got, err := decodeIndex(x.encode())
	if err != nil || !reflect.DeepEqual(got, x) {
		t.Errorf("%+v, %v; want %+v", got, err, x)
	}
}

func TestADamagedIndexIsRefused(t *testing.T) {
	data := sampleIndex().encode()
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 0x80
		if _, err := decodeIndex(bad); !errors.Is(err, errIndex) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := decodeIndex(data[:i]); !errors.Is(err, errIndex) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

func FuzzDecodeIndex(f *testing.F) {
	good := sampleIndex().encode()
	f.Add(good[:len(good)-sha256.Size])
	f.Add([]byte{0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	// The law: what decodes, encodes to something that decodes to the same; and
	// every version names a commit. The checksum is put right first.
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		x, err := decodeIndex(append(bytes.Clone(body), sum[:]...))
		if err != nil {
			if x != nil {
				t.Error("an index beside an error")
			}
			return
		}
		for name, versions := range x.images {
			for _, v := range versions {
				if v.commit >= len(x.commits) {
					t.Errorf("%q: commit %d of %d", name, v.commit, len(x.commits))
				}
			}
		}
		again, err := decodeIndex(x.encode())
		if err != nil || !reflect.DeepEqual(again, x) {
			t.Errorf("%+v became %+v, %v", x, again, err)
		}
	})
}
