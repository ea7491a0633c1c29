package rebuild

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// Writers are the programs whose config JSON is known.
const (
	WriterBuildKit = "buildkit"       // BuildKit v0.34 and others with its order of fields
	WriterOlder    = "buildkit-20.10" // the BuildKit inside Docker 20.10
	WriterClassic  = "classic"        // the classic builder of Docker 17.09 to 20.10
)

// emptyDiffID is the diff ID of a layer without entries, which the classic
// builder leaves out.
var emptyDiffID = v1.Hash{Algorithm: "sha256", Hex: "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"}

// buildkitComment is what BuildKit writes as the comment of its entries.
const buildkitComment = "buildkit.dockerfile.v0"

// ErrOnBuild says that the build was not evaluated with the triggers of the base
// image.
var ErrOnBuild = errors.New("the base image has other ONBUILD triggers than the build was evaluated with")

// ConfigInput is what an image's config follows from.
type ConfigInput struct {
	Build *dockerfile.Build
	// Writer is one of the constants above.
	Writer   string
	Platform v1.Platform
	// Base is the base image's config, nil for scratch; BaseID its digest.
	Base   []byte
	BaseID v1.Hash
	// DiffIDs are those of the layers that the directives make, by index of
	// directive; zero for one without a layer.
	DiffIDs []v1.Hash
	// Hashes are the content hashes that the classic builder writes, by index
	// of directive; "" for one without.
	Hashes []string
	// SourceDate is SOURCE_DATE_EPOCH; for other builds any time that a
	// builder's clock may have shown.
	SourceDate time.Time
	// Published gives the values that no source has; nil: they are left out,
	// and every time is SourceDate.
	Published *Published
}

// Config is the JSON of an image's config.
type Config struct {
	Raw       []byte
	DiffIDs   []v1.Hash // of all layers, the base's included
	Witnesses []Witness
}

// NewConfig writes the config of the image that a build makes.
func NewConfig(in ConfigInput) (*Config, error) {
	w := &configWriter{ConfigInput: in, witnesses: witnesses{from: in.Published}}
	if err := w.readBase(); err != nil {
		return nil, err
	}
	w.writeHistory()
	var top map[string]any
	if in.Writer == WriterClassic {
		top = w.classic()
	} else {
		top = w.buildkit()
	}
	raw, err := json.Marshal(top) // sorts the names, as the builders do
	if err != nil {
		return nil, err
	}
	return &Config{Raw: raw, DiffIDs: w.diffIDs, Witnesses: w.list}, nil
}

// configWriter makes one config.
type configWriter struct {
	ConfigInput
	witnesses

	base    v1.ConfigFile
	extra   baseExtra
	run     v1.Config // Config over the base's
	diffIDs []v1.Hash
	history []entry
}

// baseExtra is what v1.ConfigFile leaves out.
type baseExtra struct {
	Config struct {
		Healthcheck struct{ StartInterval time.Duration }
	} `json:"config"`
}

// entry is one history entry, in the order in which the classic builder writes
// the fields. It always has a time.
type entry struct {
	Created    time.Time `json:"created"`
	Author     string    `json:"author,omitempty"`
	CreatedBy  string    `json:"created_by,omitempty"`
	Comment    string    `json:"comment,omitempty"`
	EmptyLayer bool      `json:"empty_layer,omitempty"`
}

func (w *configWriter) dialect() string {
	if w.Writer == WriterClassic {
		return dockerfile.Classic
	}
	return dockerfile.BuildKit
}

// readBase takes up the base's config, or that of scratch, and puts the
// directives' settings over it.
func (w *configWriter) readBase() error {
	if w.Base == nil {
		w.base.Config.Env = []string{"PATH=" + dockerfile.DefaultPath}
		if w.dialect() == dockerfile.BuildKit {
			w.base.Config.WorkingDir = "/"
		}
	} else {
		if err := json.Unmarshal(w.Base, &w.base); err != nil {
			return fmt.Errorf("config of the base image: %w", err)
		}
		if err := json.Unmarshal(w.Base, &w.extra); err != nil {
			return fmt.Errorf("config of the base image: %w", err)
		}
		if !slices.Equal(w.base.Config.OnBuild, w.Build.Options.BaseOnBuild) {
			return ErrOnBuild
		}
		w.base.Config.OnBuild = nil // they ran in this build
		w.addPath()
	}
	for _, h := range w.base.History {
		w.history = append(w.history, entry{h.Created.Time, h.Author, h.CreatedBy, h.Comment, h.EmptyLayer})
	}
	w.diffIDs = slices.Clone(w.base.RootFS.DiffIDs)
	c := w.Build.ConfigIn(w.dialect())
	w.run = c.Over(w.base.Config)
	return nil
}

// addPath gives a base without PATH the builders' default.
func (w *configWriter) addPath() {
	for _, kv := range w.base.Config.Env {
		if strings.HasPrefix(kv, "PATH=") {
			return
		}
	}
	w.base.Config.Env = append(w.base.Config.Env, "PATH="+dockerfile.DefaultPath)
}

// writeHistory adds the directives' entries, and their layers.
func (w *configWriter) writeHistory() {
	author := ""
	for i, d := range w.Build.Directives {
		if d.Name == "MAINTAINER" {
			author = w.maintainer(d)
		}
		diffID := at(w.DiffIDs, i)
		if w.Writer == WriterClassic && diffID == emptyDiffID {
			diffID = v1.Hash{}
		}
		if diffID != (v1.Hash{}) {
			w.diffIDs = append(w.diffIDs, diffID)
		}
		n := len(w.history)
		created, ok := w.textOf(i, w.createdBy(n))
		if !ok {
			continue // the builder leaves no entry
		}
		e := entry{CreatedBy: created, EmptyLayer: diffID == v1.Hash{}}
		if w.Writer == WriterClassic {
			e.Author = author
		} else {
			e.Comment = buildkitComment
		}
		e.Created = w.created(n, w.SourceDate)
		w.history = append(w.history, e)
	}
}

func at[T any](list []T, i int) T {
	var zero T
	if i >= len(list) {
		return zero
	}
	return list[i]
}

// maintainer is the author that a directive names.
func (w *configWriter) maintainer(d dockerfile.Directive) string {
	for _, f := range d.Forms {
		if _, name, ok := strings.Cut(f.Text, "MAINTAINER "); ok && f.Dialect == w.dialect() {
			return name
		}
	}
	return ""
}

// textOf is the text of a directive's entry: the published one where it is one
// of those that the directive may leave, else the likeliest; false where the
// directive leaves no entry.
func (w *configWriter) textOf(i int, published string) (string, bool) {
	first, found := "", false
	for _, f := range w.Build.Directives[i].Forms {
		if f.Dialect != w.dialect() || f.NoEntry {
			continue
		}
		text := strings.ReplaceAll(f.Text, dockerfile.Hash, at(w.Hashes, i))
		if text == published {
			return text, true
		}
		if !found {
			first, found = text, true
		}
	}
	return first, found
}

// head are the fields at the top that both builders write.
func (w *configWriter) head() map[string]any {
	top := map[string]any{
		"architecture": either(w.base.Architecture, w.Platform.Architecture),
		"os":           either(w.base.OS, w.Platform.OS),
		"rootfs":       v1.RootFS{Type: "layers", DiffIDs: w.diffIDs},
	}
	for key, value := range map[string]string{
		"variant":    either(w.base.Variant, w.Platform.Variant),
		"os.version": either(w.base.OSVersion, w.Platform.OSVersion),
	} {
		if value != "" {
			top[key] = value
		}
	}
	if len(w.base.OSFeatures) > 0 {
		top["os.features"] = w.base.OSFeatures
	}
	return top
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// lastCreated is the time of the newest entry.
func (w *configWriter) lastCreated() time.Time {
	if len(w.history) == 0 {
		return w.SourceDate
	}
	return w.history[len(w.history)-1].Created
}

// health is a HEALTHCHECK as the builders write it.
type health struct {
	Test          []string      `json:",omitempty"`
	Interval      time.Duration `json:",omitempty"`
	Timeout       time.Duration `json:",omitempty"`
	StartPeriod   time.Duration `json:",omitempty"`
	StartInterval time.Duration `json:",omitempty"`
	Retries       int           `json:",omitempty"`
}

func (w *configWriter) health() *health {
	h := w.run.Healthcheck
	if h == nil {
		return nil
	}
	interval := w.extra.Config.Healthcheck.StartInterval
	if c := w.Build.ConfigIn(w.dialect()); c.Healthcheck != nil {
		interval = c.StartInterval
	}
	if w.Writer == WriterClassic || w.Writer == WriterOlder {
		interval = 0 // came with Docker 25
	}
	return &health{h.Test, h.Interval, h.Timeout, h.StartPeriod, interval, h.Retries}
}

// indented is JSON that is not escaped for HTML, without a newline at its end,
// as jq writes it.
func indented(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
