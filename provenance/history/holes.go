package history

import "math"

// fill finds one value for each hole, the same in every matched step, and
// matches the steps again with it; a step that it does not fit differs.
func (t *table) fill(steps []step) map[string]string {
	values := map[string]string{}
	pending := t.holed(steps)
	// A text with one unknown hole leaves no choice, so these come first.
	for again := true; again; {
		again = false
		for _, s := range pending {
			again = t.learn(s, values, 1) || again
		}
	}
	for _, s := range pending {
		t.learn(s, values, math.MaxInt)
	}
	for _, s := range pending {
		t.settle(s, values)
	}
	return values
}

// holed are the matched steps of directives with holes.
func (t *table) holed(steps []step) []*step {
	var out []*step
	for i := range steps {
		if !steps[i].matched {
			continue
		}
		for _, p := range t.directives[steps[i].directive].patterns {
			if len(p.holes) > 0 {
				out = append(out, &steps[i])
				break
			}
		}
	}
	return out
}

// learn takes the values of a step's holes when at most so many are unknown.
func (t *table) learn(s *step, values map[string]string, most int) bool {
	for i := range t.directives[s.directive].patterns {
		p := &t.directives[s.directive].patterns[i]
		unknown := 0
		for _, name := range p.holes {
			if _, ok := values[name]; !ok {
				unknown++
			}
		}
		if unknown == 0 || unknown > most {
			continue
		}
		if f, ok := p.match(&t.entries[s.entry], values, &t.budget); ok {
			for name, v := range f.holes {
				values[name] = v
			}
			return true
		}
	}
	return false
}

// settle matches a step with the values that hold everywhere.
func (t *table) settle(s *step, values map[string]string) {
	best := step{entry: s.entry, directive: s.directive}
	for i := range t.directives[s.directive].patterns {
		p := &t.directives[s.directive].patterns[i]
		f, ok := p.match(&t.entries[s.entry], values, &t.budget)
		if ok && (!best.matched || best.found.how == WhiteSpace && f.how == Exact) {
			best.matched, best.found, best.want = true, f, p.text
		}
	}
	if !best.matched {
		best.want, _ = t.directives[s.directive].nearest(t.entries[s.entry].text)
	}
	*s = best
}
