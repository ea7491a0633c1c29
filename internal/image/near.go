package image

import (
	"cmp"
	"slices"
	"strings"
)

// near returns the tags most like tag, at most nearTags of them: those within an
// edit distance of half its length, and those that continue or shorten it.
func near(tag string, tags []string) []string {
	type candidate struct {
		tag      string
		distance int
	}
	var candidates []candidate
	for _, t := range tags {
		if t == "" || len(t) > maxTagLength || oneLine(t) != t {
			continue
		}
		d := distance(tag, t)
		if d <= max(1, len(tag)/2) || strings.HasPrefix(t, tag) || strings.HasPrefix(tag, t) {
			candidates = append(candidates, candidate{t, d})
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.tag, b.tag))
	})
	var names []string
	for _, c := range candidates[:min(len(candidates), nearTags)] {
		names = append(names, c.tag)
	}
	return names
}

// distance is the number of bytes to insert, delete or replace to make b of a
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
