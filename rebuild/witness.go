package rebuild

import (
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Witness is a value that no source can predict, taken from the published
// image.
type Witness struct {
	// Field is the path of the value: "history[3].created", "container", or
	// "layers[0]: etc/hosts: time".
	Field string
	Value string
}

// Published is an image from which witnesses are taken. Nothing else of it is
// used. A nil *Published has no witness to give.
type Published struct {
	fields    map[string]json.RawMessage
	config    map[string]json.RawMessage
	container map[string]json.RawMessage
	history   []v1.History
}

// NewPublished reads the config of a published image.
func NewPublished(config []byte) (*Published, error) {
	p := &Published{}
	var typed struct {
		History []v1.History `json:"history"`
	}
	if err := json.Unmarshal(config, &p.fields); err != nil {
		return nil, fmt.Errorf("config of the published image: %w", err)
	}
	if err := json.Unmarshal(config, &typed); err != nil {
		return nil, fmt.Errorf("config of the published image: %w", err)
	}
	p.history = typed.History
	for _, nested := range []struct {
		key string
		out *map[string]json.RawMessage
	}{{"config", &p.config}, {"container_config", &p.container}} {
		if raw, ok := p.fields[nested.key]; ok {
			if err := json.Unmarshal(raw, nested.out); err != nil {
				return nil, fmt.Errorf("%s in the config of the published image: %w", nested.key, err)
			}
		}
	}
	return p, nil
}

// text is a string among fields, "" where there is none.
func text(fields map[string]json.RawMessage, key string) string {
	var s string
	if json.Unmarshal(fields[key], &s) != nil {
		return ""
	}
	return s
}

// witnesses gives out what the published image has, and keeps the list.
type witnesses struct {
	from *Published
	list []Witness
}

func (w *witnesses) use(field, value string) string {
	if value != "" {
		w.list = append(w.list, Witness{field, value})
	}
	return value
}

// top is a string at the top of the published config.
func (w *witnesses) top(key string) string {
	if w.from == nil {
		return ""
	}
	return w.use(key, text(w.from.fields, key))
}

// created is the time of a history entry: the source's own where the published
// image has that one too, or there is no published image.
func (w *witnesses) created(i int, source time.Time) time.Time {
	if w.from == nil || i >= len(w.from.history) {
		return source
	}
	got := w.from.history[i].Created.Time
	if got.Equal(source) && !source.IsZero() {
		return source
	}
	w.use(fmt.Sprintf("history[%d].created", i), got.Format(time.RFC3339Nano))
	return got
}

// createdBy is the text of a published history entry, to choose among the
// texts that the directive may leave; "" where there is none.
func (w *witnesses) createdBy(i int) string {
	if w.from == nil || i >= len(w.from.history) {
		return ""
	}
	return w.from.history[i].CreatedBy
}
