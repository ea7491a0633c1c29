package filetree

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/imageverify/verify/checksums"
)

// pair is the places of one path in the two archives.
type pair struct{ a, b uint32 }

// order adds the paths that have moved: the fewest that must be taken out for
// all others to follow one another in the same order in both archives.
func (c *comparer) order(ctx context.Context, a *checksums.Index) error {
	moved := movedPairs(c.pairs)
	c.pairs = nil
	if len(moved) == 0 {
		return nil
	}
	for e, err := range a.Entries() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("first tree: %w", err)
		}
		i, found := slices.BinarySearchFunc(moved, uint32(e.Seq), func(p pair, seq uint32) int { return cmp.Compare(p.a, seq) })
		if found {
			c.add(e.Path, Order, placeText(moved[i].a), placeText(moved[i].b))
		}
	}
	return nil
}

// movedPairs sorts pairs by their place in a, and returns those outside a
// longest run (not necessarily of neighbours) whose places in b ascend too.
func movedPairs(pairs []pair) []pair {
	slices.SortFunc(pairs, func(x, y pair) int { return cmp.Compare(x.a, y.a) })
	if slices.IsSortedFunc(pairs, func(x, y pair) int { return cmp.Compare(x.b, y.b) }) {
		return nil
	}
	// Patience sorting: tails[n] is the pair with the smallest b at which an
	// ascending run of n+1 pairs ends, before[i] the pair before i in its run.
	tails := make([]int32, 0, len(pairs))
	before := make([]int32, len(pairs))
	for i, p := range pairs {
		n := sort.Search(len(tails), func(n int) bool { return pairs[tails[n]].b > p.b })
		before[i] = -1
		if n > 0 {
			before[i] = tails[n-1]
		}
		if n == len(tails) {
			tails = append(tails, 0)
		}
		tails[n] = int32(i)
	}
	return outside(pairs, before, tails[len(tails)-1])
}

// outside returns the pairs that are not in the run that ends at last.
func outside(pairs []pair, before []int32, last int32) []pair {
	moved := make([]pair, 0, len(pairs))
	for i := int32(len(pairs)) - 1; i >= 0; i-- {
		if i == last {
			last = before[i]
			continue
		}
		moved = append(moved, pairs[i])
	}
	slices.Reverse(moved)
	return moved
}
