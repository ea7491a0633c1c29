package history

import (
	"slices"
	"strings"

	"github.com/imageverify/verify/provenance/dockerfile"
)

// What each disagreement costs. Two differing texts of one instruction cost
// less than a missing and an unexplained one, and more than any white space.
const (
	costSpace   = 1
	costDiffers = 1_000 // and up to costUnlike more, the less they have in common
	costUnlike  = 500
	costGap     = 2_000
	costNever   = 1 << 28
)

// maxCells bounds the table of the alignment. Beyond it the two lists are
// paired from their ends: no real build comes near.
const maxCells = 1 << 20

// step is one line of an alignment before it is judged.
type step struct {
	entry, directive int // -1: none
	matched          bool
	found            found
	want             string
}

// directive is a directive with its patterns in one dialect.
type directive struct {
	*dockerfile.Directive
	patterns []pattern
	none     bool // leaves no entry
	optional bool // may leave none
}

func leavesNone(d dockerfile.Directive, dialect string) bool {
	return slices.ContainsFunc(d.Forms, func(f dockerfile.Form) bool { return f.Dialect == dialect && f.NoEntry })
}

// table aligns entries with directives.
type table struct {
	entries    []entry
	directives []directive
	based      bool // entries below the first directive's are free
	buildah    bool // which never writes two spaces behind #(nop)
	width      int
	budget     int // steps left for guessing holes
	costs      []int32
}

func (m *matcher) newTable(b *dockerfile.Build) *table {
	t := &table{entries: m.entries, based: b.Base != dockerfile.Scratch, buildah: m.dialect == dockerfile.Buildah, budget: maxSteps}
	for i := range b.Directives {
		d := directive{Directive: &b.Directives[i], optional: leavesNone(b.Directives[i], m.dialect)}
		for _, f := range d.Forms {
			if f.Dialect == m.dialect && !f.NoEntry {
				d.patterns = append(d.patterns, newPattern(f))
			}
		}
		d.none, d.optional = d.optional && len(d.patterns) == 0, d.optional && len(d.patterns) > 0
		t.directives = append(t.directives, d)
	}
	return t
}

// steps is the cheapest alignment, and its cost.
func (t *table) steps() ([]step, int) {
	n, m := len(t.entries), len(t.directives)
	var tail []step // from the end, reversed
	for n > 0 && m > 0 {
		s, cost := t.pair(n-1, m-1)
		if t.directives[m-1].none {
			s, cost = step{entry: -1, directive: m - 1}, 0
			n++ // no entry is used up
		}
		if cost != 0 {
			break
		}
		tail = append(tail, s)
		n, m = n-1, m-1
	}
	rest, cost := t.solve(n, m)
	tail = append(tail, rest...)
	slices.Reverse(tail)
	return tail, cost
}

// solve aligns the first n entries with the first m directives; the steps come
// from the end.
func (t *table) solve(n, m int) ([]step, int) {
	if (n+1)*(m+1) > maxCells {
		return t.straight(n, m)
	}
	t.width = m + 1
	t.costs = make([]int32, (n+1)*(m+1))
	for i := 0; i <= n; i++ {
		for j := 0; j <= m; j++ {
			t.costs[i*t.width+j] = t.cheapest(i, j)
		}
	}
	return t.back(n, m), int(t.costs[n*t.width+m])
}

// cheapest is the cost of aligning i entries with j directives.
func (t *table) cheapest(i, j int) int32 {
	best := int32(costNever)
	if i == 0 && j == 0 {
		return 0
	}
	if i > 0 {
		best = min(best, t.costs[(i-1)*t.width+j]+t.costExtra(j))
	}
	if j > 0 {
		best = min(best, t.costs[i*t.width+j-1]+t.costMissing(j-1))
	}
	if i > 0 && j > 0 && !t.directives[j-1].none {
		_, cost := t.pair(i-1, j-1)
		best = min(best, t.costs[(i-1)*t.width+j-1]+cost)
	}
	return best
}

// back finds the steps that led to the cheapest cost, from the end.
func (t *table) back(i, j int) []step {
	var out []step
	for i > 0 || j > 0 {
		here := t.costs[i*t.width+j]
		if i > 0 && j > 0 && !t.directives[j-1].none {
			if s, cost := t.pair(i-1, j-1); here == t.costs[(i-1)*t.width+j-1]+cost {
				out = append(out, s)
				i, j = i-1, j-1
				continue
			}
		}
		if j > 0 && here == t.costs[i*t.width+j-1]+t.costMissing(j-1) {
			j--
			out = append(out, step{entry: -1, directive: j})
			continue
		}
		i--
		out = append(out, step{entry: i, directive: -1})
	}
	return out
}

func (t *table) costExtra(directives int) int32 {
	if directives == 0 && t.based {
		return 0
	}
	return costGap
}

func (t *table) costMissing(j int) int32 {
	if t.directives[j].none || t.directives[j].optional {
		return 0
	}
	return costGap
}

// straight pairs entries and directives one by one from the end.
func (t *table) straight(n, m int) ([]step, int) {
	var out []step
	total := 0
	for m > 0 || n > 0 {
		s, cost := step{entry: n - 1, directive: -1}, t.costExtra(m)
		switch {
		case m > 0 && (n == 0 || t.directives[m-1].none):
			s, cost = step{entry: -1, directive: m - 1}, t.costMissing(m-1)
		case m > 0:
			if s, cost = t.pair(n-1, m-1); cost >= costNever {
				s, cost = step{entry: n - 1, directive: -1}, costGap
			}
		}
		if s.entry >= 0 {
			n--
		}
		if s.directive >= 0 {
			m--
		}
		out, total = append(out, s), min(total+int(cost), costNever)
	}
	return out, total
}

// pair compares an entry with a directive.
func (t *table) pair(i, j int) (step, int32) {
	e, d := &t.entries[i], &t.directives[j]
	s, cost := step{entry: i, directive: j}, int32(costNever)
	if t.buildah && strings.Contains(e.text, nop+"  ") {
		return s, cost
	}
	for k := range d.patterns {
		p := &d.patterns[k]
		f, ok := p.match(e, nil, &t.budget)
		switch {
		case ok && f.how == Exact:
			return step{i, j, true, f, p.text}, 0
		case ok && !s.matched:
			s, cost = step{i, j, true, f, p.text}, costSpace
		}
	}
	if s.matched || d.Name != e.name || len(d.patterns) == 0 {
		return s, cost
	}
	want, unlike := d.nearest(e.text)
	s.want = want
	return s, costDiffers + unlike
}

// nearest is the form that has most in common with the text, and how little
// that is.
func (d *directive) nearest(text string) (string, int32) {
	best, least := "", int32(costUnlike+1)
	for i := range d.patterns {
		if u := unlike(d.patterns[i].text, text); u < least {
			best, least = d.patterns[i].text, u
		}
	}
	return best, least
}

// unlike is 0 for equal texts and costUnlike for those without a common head
// and tail.
func unlike(a, b string) int32 {
	short, long := min(len(a), len(b)), max(len(a), len(b))
	if long == 0 {
		return 0
	}
	head := 0
	for head < short && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < short-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return int32(costUnlike * (long - head - tail) / long)
}
