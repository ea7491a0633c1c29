package image

import (
	"encoding/json"
	"errors"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// skipped is a JSON value of which only the presence counts: a list of them
// takes no memory, so that it can be counted before it is read.
type skipped struct{}

// UnmarshalJSON takes any value.
func (*skipped) UnmarshalJSON([]byte) error { return nil }

// errTwice refuses a member that a document has twice, or in two spellings that
// Go's decoder takes for one: other readers would choose the other one.
var errTwice = errors.New("a list or config is given twice")

// member is a member of a JSON object: whether it is there, and, for a list, how
// many elements it has.
type member struct {
	seen  bool // also as null
	set   bool
	count int
}

// UnmarshalJSON notes the member and counts a list.
func (m *member) UnmarshalJSON(data []byte) error {
	if m.seen {
		return errTwice
	}
	m.seen = true
	if string(data) == "null" {
		return nil
	}
	m.set = true
	if data[0] != '[' {
		return nil
	}
	var list []skipped
	err := json.Unmarshal(data, &list)
	m.count = len(list)
	return err
}

// outline is what must be known of a document before it is decoded.
type outline struct {
	SchemaVersion int64           `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	Config        member          `json:"config"`
	Layers        member          `json:"layers"`
	Manifests     member          `json:"manifests"`
	FSLayers      member          `json:"fsLayers"`
}

func (o outline) isIndex() bool    { return o.Manifests.set }
func (o outline) isManifest() bool { return o.Config.set || o.Layers.set }

// problem says why a document is neither an index nor a manifest, or is nil.
func (o outline) problem(named types.MediaType) *FormatError {
	switch {
	case o.SchemaVersion == 1 || o.FSLayers.set || o.MediaType.IsSchema1() || named.IsSchema1():
		return &FormatError{Problem: "is of schema 1, which names no config",
			Advice: "pull and push it again with a current tool"}
	case o.isIndex() && o.isManifest():
		return &FormatError{Problem: "is both an index and an image manifest"}
	case !o.isIndex() && !o.isManifest():
		return &FormatError{Problem: "is neither an index nor an image manifest"}
	}
	for _, m := range []types.MediaType{o.MediaType, named} {
		if m.IsIndex() && !o.isIndex() || m.IsImage() && o.isIndex() {
			return &FormatError{Problem: "is not of its media type " + string(m)}
		}
	}
	return nil
}
