package filetree

import (
	"slices"

	"github.com/imageverify/verify/checksums"
)

// maxLinkRounds bounds hard links to hard links to hard links.
const maxLinkRounds = 16

// linked is what a hard link names: a layer's entry.
type linked struct {
	layer int
	path  string
}

// resolveLinks makes the tree again with its hard links resolved.
func (o *overlay) resolveLinks(tree *Tree) (*Tree, error) {
	files, found, err := o.linkTargets()
	if err != nil {
		return nil, err
	}
	first := map[linked]string{} // the first name of each file that has several
	for _, f := range files {
		first[f] = ""
	}
	out := &treeWriter{builder: o.newBuilder()}
	defer out.builder.Close()
	for e, err := range tree.Index.Entries() {
		if err == nil {
			err = o.ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		layer := tree.Layer(e.Seq)
		key, isLink := files[e.Seq]
		if isLink {
			e = named(found[key], e.Path)
		} else {
			key = linked{layer, e.Path}
		}
		switch name, several := first[key]; {
		case several && name != "":
			e.Link = name
		case several:
			first[key] = e.Path
		}
		if err := out.add(e, layer); err != nil {
			return nil, err
		}
	}
	return out.finish()
}

func named(e checksums.Entry, path string) checksums.Entry {
	e.Path = path
	return e
}

// linkTargets finds the file that each hard link names, by the link's Seq, and
// the entries of those files: the target as the layers up to the link's own
// have it.
func (o *overlay) linkTargets() (map[int]linked, map[linked]checksums.Entry, error) {
	files, found := map[int]linked{}, map[linked]checksums.Entry{}
	open := o.links
	for range maxLinkRounds {
		var further []hardLink
		for i := len(o.layers) - 1; i >= 0 && len(open) > 0; i-- {
			rest, chained, err := o.lookUp(i, open, files, found)
			if err != nil {
				return nil, nil, err
			}
			open, further = rest, append(further, chained...)
		}
		if open = further; len(open) == 0 {
			break
		}
	}
	return files, found, nil
}

// lookUp looks in one layer for the targets of the links that are not above it.
// rest are the links to look for further down, chained those whose target is a
// link itself.
func (o *overlay) lookUp(layer int, links []hardLink, files map[int]linked, found map[linked]checksums.Entry) (rest, chained []hardLink, err error) {
	entries, err := o.find(layer, links, func(l hardLink) []string { return []string{l.target} })
	if err != nil {
		return nil, nil, err
	}
	var absent []hardLink
	for _, l := range links {
		e, here := entries[l.target]
		switch {
		case l.layer < layer:
			rest = append(rest, l)
		case !here:
			absent = append(absent, l)
		case e.Type == '1' && e.Link != l.target:
			chained = append(chained, hardLink{l.seq, layer, e.Link})
		default:
			f := linked{layer, l.target}
			files[l.seq], found[f] = f, e
		}
	}
	further, err := o.notRemoved(layer, absent)
	return append(rest, further...), chained, err
}

// notRemoved are the links whose targets the layer does not remove from those
// below it.
func (o *overlay) notRemoved(layer int, links []hardLink) ([]hardLink, error) {
	if layer == 0 {
		return nil, nil
	}
	entries, err := o.find(layer, links, func(l hardLink) []string { return checksums.Removers(l.target) })
	if err != nil {
		return nil, err
	}
	removed := func(name string) bool { _, ok := entries[name]; return ok }
	return slices.DeleteFunc(links, func(l hardLink) bool { return slices.ContainsFunc(checksums.Removers(l.target), removed) }), nil
}

// find returns the layer's entries under the names that links of this layer or
// a higher one ask for.
func (o *overlay) find(layer int, links []hardLink, names func(hardLink) []string) (map[string]checksums.Entry, error) {
	var all []string
	size := 0
	for _, l := range links {
		if l.layer < layer {
			continue
		}
		for _, name := range names(l) {
			all, size = append(all, name), size+len(name)
		}
		if size > maxLinkBytes {
			return nil, &checksums.LimitError{What: "bytes of names that hard links depend on", Limit: maxLinkBytes}
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return o.layers[layer].Find(all...)
}
