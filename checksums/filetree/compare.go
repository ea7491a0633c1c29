package filetree

import (
	"context"
	"fmt"

	"github.com/imageverify/verify/checksums"
)

// Compare compares the trees that two archives' entries make. Where a path has
// several entries in one archive, the last is compared, as it is what unpacking
// leaves, and the path is a Duplicate besides. Whiteouts are paths like others.
func Compare(ctx context.Context, a, b *checksums.Index, o Options) (*Result, error) {
	if o.Max == 0 {
		o.Max = DefaultMax
	}
	if o.Times == nil {
		o.Times = sameSecond
	}
	c := &comparer{options: o, result: &Result{Counts: make(map[Class]int)}}
	if err := c.merge(ctx, a, b); err != nil {
		return nil, err
	}
	if err := c.order(ctx, a); err != nil {
		return nil, err
	}
	if err := c.disorder(ctx, b); err != nil {
		return nil, err
	}
	c.result.sort()
	return c.result, nil
}

func sameSecond(a, b checksums.Entry) bool {
	return a.ModTime.IsZero() || a.ModTime.Unix() == b.ModTime.Unix()
}

type comparer struct {
	options Options
	result  *Result
	total   int // the result's Total
	pairs   []pair
	tidy    tidy // of b
}

// merge walks both trees side by side.
func (c *comparer) merge(ctx context.Context, a, b *checksums.Index) error {
	left, right := newGroups(a), newGroups(b)
	defer left.stop()
	defer right.stop()
	if err := left.advance(); err != nil {
		return fmt.Errorf("first tree: %w", err)
	}
	if err := right.advance(); err != nil {
		return fmt.Errorf("second tree: %w", err)
	}
	for left.more || right.more {
		if err := ctx.Err(); err != nil {
			return err
		}
		order := compareHeads(left, right)
		c.visit(left, right, order)
		if order >= 0 && right.head.count > 0 {
			c.tidy.visit(&right.head.last)
		}
		if order <= 0 {
			if err := left.advance(); err != nil {
				return fmt.Errorf("first tree: %w", err)
			}
		}
		if order >= 0 {
			if err := right.advance(); err != nil {
				return fmt.Errorf("second tree: %w", err)
			}
		}
	}
	return nil
}

func compareHeads(a, b *groups) int {
	switch {
	case !b.more:
		return -1
	case !a.more:
		return 1
	}
	return checksums.ComparePaths(a.head.path, b.head.path)
}

// visit compares the heads of both sides that are at the smaller path.
func (c *comparer) visit(left, right *groups, order int) {
	var a, b group
	if order <= 0 {
		a = left.head
	}
	if order >= 0 {
		b = right.head
	}
	path := a.path
	if order > 0 {
		path = b.path
	}
	if a.globals != b.globals && !differsInOdd(&a, &b) {
		c.add(path, Format, globalText(a.globals), globalText(b.globals))
	}
	switch {
	case a.count == 0 && b.count == 0:
	case b.count == 0:
		c.add(path, OnlyInA, describe(&a.last), "")
	case a.count == 0:
		c.add(path, OnlyInB, "", describe(&b.last))
	default:
		c.both(&a, &b)
	}
}

func sameType(x, y *checksums.Entry) bool {
	return x.Type == y.Type && x.Devmajor == y.Devmajor && x.Devminor == y.Devminor
}

// differsInOdd reports whether attributes finds a Format difference.
func differsInOdd(a, b *group) bool {
	return a.count > 0 && b.count > 0 && sameType(&a.last, &b.last) && a.last.Odd != b.last.Odd
}

// both compares a path that both sides have.
func (c *comparer) both(a, b *group) {
	x, y := &a.last, &b.last
	if !sameType(x, y) {
		c.add(x.Path, Type, typeText(x), typeText(y))
		return
	}
	before := c.total
	c.attributes(a, b)
	if a.count > 1 || b.count > 1 {
		c.add(x.Path, Duplicate, countText(a.count), countText(b.count))
	}
	if x.Type == '0' && c.total == before {
		c.result.EqualFiles++
		c.result.EqualBytes += x.Size
	}
	c.pairs = append(c.pairs, pair{uint32(x.Seq), uint32(y.Seq)})
}

func (c *comparer) attributes(a, b *group) {
	x, y := &a.last, &b.last
	if x.Size != y.Size || x.Digest != y.Digest {
		c.add(x.Path, Content, contentText(x), contentText(y))
	}
	if x.Mode != y.Mode {
		c.add(x.Path, Mode, modeText(x), modeText(y))
	}
	if x.UID != y.UID || x.GID != y.GID {
		c.add(x.Path, Owner, ownerText(x), ownerText(y))
	}
	if !c.options.IgnoreTime && !c.options.Times(*x, *y) {
		c.add(x.Path, Time, timeText(x), timeText(y))
	}
	if names := differingXattrs(x, y); len(names) > 0 {
		c.add(x.Path, Xattr, xattrText(x, names), xattrText(y, names))
	}
	if x.Link != y.Link {
		c.add(x.Path, Link, x.Link, y.Link)
	}
	if x.Odd != y.Odd {
		c.add(x.Path, Format, formatText(a), formatText(b))
	}
}

func (c *comparer) add(path string, class Class, a, b string) {
	c.result.Counts[class]++
	c.total++
	if len(c.result.Differences) < c.options.Max {
		c.result.Differences = append(c.result.Differences, Difference{Path: path, Class: class, A: a, B: b})
	}
}
