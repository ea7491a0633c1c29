package history

import (
	"fmt"
	"slices"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// align aligns the history with one evaluation of the Dockerfile and judges
// what comes out.
func (m *matcher) align(b *dockerfile.Build) *Alignment {
	t := m.newTable(b)
	steps, cost := t.steps()
	a := &Alignment{Dialect: m.dialect, Build: b, cost: cost}
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
		if d.none {
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
	if paired == 0 && len(a.Problems) == 0 {
		a.Problems = append(a.Problems, Problem{Code: NothingMatched, Directive: -1, Entry: -1,
			Want: "a directive that leaves an entry", Got: "none"})
	}
}

// judgeMatched looks at what an entry says beside its text.
func (a *Alignment) judgeMatched(t *table, r Row, p Problem) {
	e, d := &t.entries[r.Entry], &t.directives[r.Directive]
	if d.Layer == dockerfile.NoLayer && !e.empty || d.Layer == dockerfile.OwnLayer && e.empty {
		p.Code, p.Want, p.Got = EmptyLayer, layerWord(!e.empty), layerWord(e.empty)
		a.Problems = append(a.Problems, p)
	}
	classic, signed := a.Dialect == dockerfile.Classic, e.comment == BuildKitComment
	if classic && signed || !classic && !signed && e.comment != "" {
		p.Code, p.Want, p.Got = CommentDiffers, commentOf(a.Dialect), e.comment
		a.Problems = append(a.Problems, p)
	}
}

func layerWord(empty bool) string {
	if empty {
		return "no layer"
	}
	return "a layer"
}

func commentOf(dialect string) string {
	if dialect == dockerfile.BuildKit {
		return BuildKitComment
	}
	return "no comment of BuildKit's"
}
