package buildhash

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// part is one source after its wildcards are expanded: a file, or a directory
// with everything in it.
type part struct {
	dir   bool
	nodes []node
}

// node is one entry whose hash goes into a part.
type node struct {
	path    string // resolved path in the context
	literal string // stands in place of a hash when the stream had no such entry
	info    fs.FileInfo
}

// plans holds, for each variant, the parts that its context has for the
// sources. Variants that see the same context share a plan.
type plans struct {
	context  fs.FS
	variants []Variant
	parts    map[Ignoring][]part
	sums     map[string][][sha256.Size]byte // path → one hash for each variant
}

func newPlans(ctx context.Context, fsys fs.FS, sources []string, variants []Variant) (*plans, error) {
	p := &plans{context: fsys, variants: variants,
		parts: map[Ignoring][]part{}, sums: map[string][][sha256.Size]byte{}}
	failed := fmt.Errorf("no source is named: %w", ErrNoSource)
	for _, v := range variants {
		if _, done := p.parts[v.ignoring()]; done {
			continue
		}
		parts, err := planParts(ctx, fsys, sources, v.ignoring())
		switch {
		case errors.Is(err, ErrNoSource):
			failed = err // the other way of reading the context may have it
			parts = nil
		case err != nil:
			return nil, err
		}
		p.parts[v.ignoring()] = parts
	}
	for _, parts := range p.parts {
		if len(parts) > 0 {
			return p, nil
		}
	}
	return nil, failed
}

func planParts(ctx context.Context, fsys fs.FS, sources []string, how Ignoring) ([]part, error) {
	c, err := NewContext(fsys, how)
	if err != nil {
		return nil, err
	}
	var parts []part
	for _, source := range sources {
		names, err := c.Expand(ctx, source)
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", source, err)
		}
		for _, name := range names {
			one, err := planPart(ctx, c, name)
			if err != nil {
				return nil, fmt.Errorf("source %q: %w", source, err)
			}
			parts = append(parts, one)
		}
	}
	return parts, nil
}

func planPart(ctx context.Context, c *Context, name string) (part, error) {
	path, info, err := c.Resolve(name)
	if err != nil {
		return part{}, err
	}
	if !info.IsDir() {
		return part{nodes: []node{{path: path, info: info}}}, nil
	}
	p := part{dir: true}
	err = c.Walk(ctx, path, func(found string, _ fs.FileInfo) error {
		if found == "." {
			return nil
		}
		target, info, err := c.Resolve(found)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a link that leads nowhere is not counted
		}
		if err != nil {
			return err
		}
		n := node{path: target, info: info}
		if target == "." || c.Implied(target) {
			n.literal = found
		}
		p.nodes = append(p.nodes, n)
		return nil
	})
	return p, err
}

// possible reports whether any plan gives a hash of want's kind.
func (p *plans) possible(want string) bool {
	for _, parts := range p.parts {
		if len(parts) > 0 && strings.HasPrefix(want, kind(parts)) {
			return true
		}
	}
	return false
}

func kind(parts []part) string {
	switch {
	case len(parts) > 1:
		return multiPrefix
	case parts[0].dir:
		return dirPrefix
	}
	return filePrefix
}

// read hashes every entry of every plan, each once.
func (p *plans) read(ctx context.Context) error {
	for _, parts := range p.parts {
		for _, part := range parts {
			for _, n := range part.nodes {
				if _, done := p.sums[n.path]; done || n.literal != "" {
					continue
				}
				sums, err := sumEntry(ctx, p.context, n, p.variants)
				if err != nil {
					return fmt.Errorf("hashing %s: %w", n.path, err)
				}
				p.sums[n.path] = sums
			}
		}
	}
	return nil
}

// sum returns the hash under the variant with index i, "" when that variant's
// context lacks a source.
func (p *plans) sum(i int) string {
	parts := p.parts[p.variants[i].ignoring()]
	if len(parts) == 0 {
		return ""
	}
	texts := make([]string, len(parts))
	for n, part := range parts {
		texts[n] = p.sumPart(part, i)
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return multiPrefix + sumTexts(texts)
}

func (p *plans) sumPart(one part, i int) string {
	if !one.dir {
		sum := p.sums[one.nodes[0].path][i]
		return filePrefix + hex.EncodeToString(sum[:])
	}
	texts := make([]string, len(one.nodes))
	for n, node := range one.nodes {
		texts[n] = node.literal
		if node.literal == "" {
			sum := p.sums[node.path][i]
			texts[n] = hex.EncodeToString(sum[:])
		}
	}
	slices.Sort(texts)
	return dirPrefix + sumTexts(texts)
}

func sumTexts(texts []string) string {
	sum := sha256.Sum256([]byte(strings.Join(texts, ",")))
	return hex.EncodeToString(sum[:])
}
