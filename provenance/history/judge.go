package history

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// align aligns the history with one evaluation of the Dockerfile and judges
// what comes out.
func (m *matcher) align(b *dockerfile.Build) *Alignment {
	t := m.newTable(b)
	steps, cost := t.steps()
	a := &Alignment{Dialect: m.dialect, Build: b, Squashed: m.squashed, cost: cost}
	a.Holes = t.fill(steps)
	for _, s := range steps {
		a.addRow(t, s)
	}
	a.layers(m.entries, m.layers)
	a.judgeRows(t)
	a.cost += costGap / 2 * len(a.Problems)
	a.Matched = len(a.Problems) == 0
	return a
}

// addRow turns a step into a row, without its layer.
func (a *Alignment) addRow(t *table, s step) {
	r := Row{Entry: s.entry, Directive: s.directive, Layer: -1, Want: s.want}
	if s.entry >= 0 {
		r.Got = t.entries[s.entry].text
	}
	switch {
	case s.matched:
		r.Status, r.How, r.Hash = Matched, s.found.how, s.found.hash
	case s.entry >= 0 && s.directive >= 0:
		r.Status = Differs
	case s.directive >= 0:
		r.Status = Missing
		d := &t.directives[s.directive]
		if d.none || d.optional {
			r.Status = NoEntry
		} else if len(d.patterns) > 0 {
			r.Want = d.patterns[0].text
		}
		if r.Want == "" {
			r.Want = d.Original
		}
	case t.based && !slices.ContainsFunc(a.Rows, func(r Row) bool { return r.Directive >= 0 }):
		r.Status = Base
		a.BaseEntries++
	default:
		r.Status = Unexplained
	}
	a.Rows = append(a.Rows, r)
}

// layers counts the entries' layers up, oldest first.
func (a *Alignment) layers(entries []entry, have int) {
	next := 0
	for i := range a.Rows {
		r := &a.Rows[i]
		if r.Entry < 0 || entries[r.Entry].empty {
			continue
		}
		if have < 0 || next < have {
			r.Layer = next
		}
		next++
	}
	if have >= 0 && next != have {
		a.Problems = append(a.Problems, Problem{Code: LayerCount, Directive: -1, Entry: -1,
			Want: fmt.Sprintf("%d layers, as the image has", have), Got: fmt.Sprintf("%d entries with a layer", next)})
	}
}

// judgeRows lists what the rows say against the match.
func (a *Alignment) judgeRows(t *table) {
	paired := 0
	a.Combined = a.isCombined(t)
	for _, r := range a.Rows {
		p := Problem{Directive: r.Directive, Entry: r.Entry, Want: r.Want, Got: r.Got}
		if r.Directive >= 0 {
			p.Line = t.directives[r.Directive].Line
		}
		switch r.Status {
		case Matched:
			paired++
			a.judgeMatched(t, r, p)
		case Differs:
			p.Code = TextDiffers
			a.Problems = append(a.Problems, p)
		case Missing:
			p.Code = EntryMissing
			a.Problems = append(a.Problems, p)
		case Unexplained:
			p.Code = EntryUnexplained
			a.Problems = append(a.Problems, p)
		}
	}
	if a.isLost(t) {
		a.Problems = []Problem{{Code: HistoryLost, Directive: -1, Entry: 0, Want: "all directives", Got: a.Rows[len(a.Rows)-1].Got}}
		return
	}
	if paired == 0 && len(a.Problems) == 0 {
		a.Problems = append(a.Problems, Problem{Code: NothingMatched, Directive: -1, Entry: -1,
			Want: "a directive that leaves an entry", Got: "none"})
	}
}

// judgeMatched looks at what an entry says beside its text.
func (a *Alignment) judgeMatched(t *table, r Row, p Problem) {
	e, d := &t.entries[r.Entry], &t.directives[r.Directive]
	wrong := d.Layer == dockerfile.NoLayer && !e.empty || d.Layer == dockerfile.OwnLayer && e.empty
	if a.Combined {
		wrong = !e.empty != a.endsStage(r.Directive)
	}
	if a.Squashed && !a.beforeLastStage(r.Directive) {
		wrong = !e.empty
	}
	if wrong {
		p.Code, p.Want, p.Got = EmptyLayer, layerWord(!e.empty), layerWord(e.empty)
		a.Problems = append(a.Problems, p)
	}
	if !commentFits(a.Dialect, e.comment) {
		p.Code, p.Want, p.Got = CommentDiffers, commentOf(a.Dialect), e.comment
		a.Problems = append(a.Problems, p)
	}
}

// commentFits reports whether a builder writes that comment. The classic
// builder's can be set when an image is committed; buildah names what the
// image is FROM.
func commentFits(dialect, comment string) bool {
	switch dialect {
	case dockerfile.BuildKit:
		return comment == "" || comment == BuildKitComment
	case dockerfile.Buildah:
		return comment == "" || strings.HasPrefix(comment, "FROM ")
	}
	return comment != BuildKitComment
}

// isCombined reports whether the entries are those of a buildah that made one
// layer of a whole stage: metadata at a stage's end has one.
func (a *Alignment) isCombined(t *table) bool {
	if a.Dialect != dockerfile.Buildah {
		return false
	}
	layers, without := 0, 0
	for _, r := range a.Rows {
		switch {
		case r.Entry < 0 || r.Directive < 0:
		case !t.entries[r.Entry].empty:
			layers++
		case t.directives[r.Directive].Layer == dockerfile.OwnLayer || t.directives[r.Directive].Name == "RUN":
			without++
		}
	}
	return without > 0 && layers > 0
}

// endsStage reports whether a directive is the last of its stage.
func (a *Alignment) endsStage(directive int) bool {
	return directive == len(a.Build.Directives)-1 || slices.Contains(a.Build.StageEnds, directive)
}

// beforeLastStage reports whether a directive is of a stage that the last one
// builds on.
func (a *Alignment) beforeLastStage(directive int) bool {
	ends := a.Build.StageEnds
	return len(ends) > 0 && directive <= ends[len(ends)-1]
}

func layerWord(empty bool) string {
	if empty {
		return "no layer"
	}
	return "a layer"
}

func commentOf(dialect string) string {
	switch dialect {
	case dockerfile.BuildKit:
		return BuildKitComment
	case dockerfile.Buildah:
		return "none, or FROM and a name"
	}
	return "no comment of BuildKit's"
}
