package verify

import (
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/history"
)

// HistoryRow is one line of an image's history laid beside its Dockerfile.
// Every entry of the history and every directive is in exactly one row, oldest
// first.
type HistoryRow struct {
	// Status is matched, differs (entry and directive are of one instruction,
	// not of one text), base (an entry of the base image), unexplained (an entry
	// that no directive gives), missing (a directive without its entry),
	// no-entry (a directive for which the builder leaves none), squash (the entry
	// of the layer that docker build --squash made of the others'), or unjudged
	// where there is no Dockerfile to compare with.
	Status string `json:"status"`
	// How says in which sense the row is matched: exact, or white-space (but for
	// the length of runs of spaces).
	How string `json:"how,omitempty"`
	// Directive is the Dockerfile's side; absent where no directive is in the row.
	Directive *HistoryDirective `json:"directive,omitempty"`
	// Entry is the image's side; absent where no entry is in the row.
	Entry *HistoryEntry `json:"entry,omitempty"`
	// Layer is the layer that the entry stands for; absent where it has none.
	Layer *HistoryLayer `json:"layer,omitempty"`
	// Want is the text that the directive gives in the builder's form, where it
	// is not the entry's: "$NAME" stands for what only the base image knows.
	Want string `json:"want,omitempty"`
	// Diff says where Want and the entry's text part.
	Diff *TextDiff `json:"diff,omitempty"`
}

// HistoryDirective is one directive of a Dockerfile.
type HistoryDirective struct {
	// Line is where it begins, from 1.
	Line int `json:"line"`
	// EndLine is its last line.
	EndLine int `json:"endLine"`
	// Instruction is its name in capitals.
	Instruction string `json:"instruction"`
	// Text is all of it, continuation lines joined.
	Text string `json:"text"`
	// Trigger says that it is an ONBUILD of the base, which ran in this build;
	// Line is then the line of the FROM.
	Trigger bool `json:"trigger,omitempty"`
}

// HistoryEntry is one entry of an image's history, as the config has it.
type HistoryEntry struct {
	// Index counts from 0, oldest first.
	Index int `json:"index"`
	// Created is when the entry says it was made.
	Created *time.Time `json:"created,omitempty"`
	// CreatedBy is the directive in the builder's form.
	CreatedBy string `json:"createdBy"`
	// Author is who made it, by its own account.
	Author string `json:"author,omitempty"`
	// Comment is what the builder adds; BuildKit and buildah sign with it.
	Comment string `json:"comment,omitempty"`
	// EmptyLayer says that the entry has no layer.
	EmptyLayer bool `json:"emptyLayer,omitempty"`
}

// HistoryLayer is a layer as the manifest has it.
type HistoryLayer struct {
	// Index counts from 0, oldest first.
	Index int `json:"index"`
	// Digest is the blob's, which is compressed as a rule.
	Digest string `json:"digest"`
	// Size is the blob's.
	Size int64 `json:"size"`
	// DiffID is the digest of the unpacked layer.
	DiffID string `json:"diffID,omitempty"`
}

// historyRows lays the image's history beside the Dockerfile's directives; nil
// where the config could not be read.
func historyRows(f *facts) []HistoryRow {
	cfg := f.configFile()
	if cfg == nil {
		return nil
	}
	a := f.judged()
	if a == nil || a.Alignment == nil {
		return unjudgedRows(f, cfg)
	}
	out := []HistoryRow{}
	for _, r := range a.Alignment.Rows {
		row := HistoryRow{Status: r.Status, How: r.How, Layer: f.historyLayer(r.Layer)}
		if r.Directive >= 0 {
			row.Directive = historyDirective(a.Alignment.Build.Directives[r.Directive])
		}
		if r.Entry >= 0 && r.Entry < len(cfg.History) {
			row.Entry = historyEntry(r.Entry, cfg.History[r.Entry])
		}
		switch r.Status {
		case history.Missing:
			row.Want = r.Want
		case history.Differs:
			row.Want, row.Diff = r.Want, diffTexts(r.Want, r.Got)
		}
		out = append(out, row)
	}
	return out
}

// unjudgedRows are the entries with their layers alone.
func unjudgedRows(f *facts, cfg *v1.ConfigFile) []HistoryRow {
	out := []HistoryRow{}
	layer := 0
	for i, h := range cfg.History {
		row := HistoryRow{Status: "unjudged", Entry: historyEntry(i, h)}
		if !h.EmptyLayer {
			row.Layer = f.historyLayer(layer)
			layer++
		}
		out = append(out, row)
	}
	return out
}

func historyDirective(d dockerfile.Directive) *HistoryDirective {
	return &HistoryDirective{Line: d.Line, EndLine: d.EndLine, Instruction: d.Name, Text: d.Original, Trigger: d.Trigger}
}

func historyEntry(i int, h v1.History) *HistoryEntry {
	e := &HistoryEntry{Index: i, CreatedBy: h.CreatedBy, Author: h.Author, Comment: h.Comment, EmptyLayer: h.EmptyLayer}
	if !h.Created.IsZero() {
		created := h.Created.UTC()
		e.Created = &created
	}
	return e
}

// historyLayer is the manifest's layer; nil where it has no such one.
func (f *facts) historyLayer(i int) *HistoryLayer {
	layers := f.manifest().Layers
	if i < 0 || i >= len(layers) {
		return nil
	}
	l := &HistoryLayer{Index: i, Digest: layers[i].Digest.String(), Size: layers[i].Size}
	if id := wantDiffID(f.configFile(), i); id != (v1.Hash{}) {
		l.DiffID = id.String()
	}
	return l
}
