package verify

import (
	"context"
	"path"
	"strings"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/rebuild/packages"
)

// packageFacts are the packages whose versions differ between a rebuilt and the
// published image, by the databases in them.
type packageFacts struct {
	// owners are the packages by the paths of their files.
	owners map[string]*packages.Change
}

// differ reports whether some package differs.
func (p packageFacts) differ() bool { return len(p.owners) > 0 }

// of is the package that has a path; nil where none does whose version differs.
// A path below usr/ may be listed under the name that it had before directories
// were merged into it.
func (p packageFacts) of(name string) *packages.Change {
	if c := p.owners[name]; c != nil {
		return c
	}
	rest, ok := strings.CutPrefix(name, "usr/")
	if top, _, _ := strings.Cut(rest, "/"); ok && (top == "bin" || top == "sbin" || strings.HasPrefix(top, "lib")) {
		return p.owners[rest]
	}
	return nil
}

// own notes whose some files are, but for the folders that others lie in.
func (p packageFacts) own(c *packages.Change, files []string) {
	folders := map[string]bool{}
	for _, f := range files {
		folders[path.Dir(f)] = true
	}
	for _, f := range files {
		if !folders[f] {
			p.owners[f] = c
		}
	}
}

// comparePackages reads the databases of both images.
func (s *session) comparePackages(ctx context.Context, a, b *facts) (packageFacts, error) {
	out := packageFacts{map[string]*packages.Change{}}
	names := append([]string{packages.DpkgStatus}, packages.ApkInstalled...)
	x, err := s.filesIn(ctx, a, names)
	if err != nil {
		return out, runError(a.set.Reference.Given, err)
	}
	y, err := s.filesIn(ctx, b, names)
	if err != nil {
		return out, runError(b.set.Reference.Given, err)
	}
	for _, name := range packages.ApkInstalled {
		before, had := packages.Apk(x[name])
		after, has := packages.Apk(y[name])
		for _, c := range packages.Changes(before, after) {
			out.own(&c, append(filesOf(had, c.Name), filesOf(has, c.Name)...))
		}
	}
	changes := packages.Changes(packages.Dpkg(x[packages.DpkgStatus]), packages.Dpkg(y[packages.DpkgStatus]))
	return out, s.dpkgFiles(ctx, a, b, changes[:min(len(changes), maxChangedFiles)], out)
}

func filesOf(owners map[string]string, name string) []string {
	var out []string
	for file, owner := range owners {
		if owner == name {
			out = append(out, file)
		}
	}
	return out
}

// dpkgFiles reads which files the packages have on either side.
func (s *session) dpkgFiles(ctx context.Context, a, b *facts, changes []packages.Change, out packageFacts) error {
	var lists []string
	for _, c := range changes {
		lists = append(lists, packages.DpkgLists(c.Name)...)
	}
	for _, f := range []*facts{a, b} {
		found, err := s.filesIn(ctx, f, lists)
		if err != nil {
			return runError(f.set.Reference.Given, err)
		}
		for _, c := range changes {
			for _, list := range packages.DpkgLists(c.Name) {
				if data, ok := found[list]; ok {
					out.own(&c, append(packages.DpkgFiles(data), list, strings.TrimSuffix(list, ".list")+".md5sums"))
				}
			}
		}
	}
	return nil
}

// filesIn reads files of an image as its highest layer has them, as far as they
// may be kept in memory. A file that is not there is not in the result.
func (s *session) filesIn(ctx context.Context, f *facts, names []string) (map[string][]byte, error) {
	out := map[string][]byte{}
	var total int64
	for i := len(f.layers) - 1; i >= 0 && len(names) > 0; i-- {
		found, err := f.layers[i].layer.Index.Find(names...)
		if err != nil {
			return nil, err
		}
		want := map[string]checksums.Entry{}
		var rest []string
		for _, name := range names {
			e, here := found[name]
			switch {
			case !here:
				rest = append(rest, name)
			case e.Type == '0' && e.Size <= maxChanged && total+e.Size <= maxChangedBytes:
				want[name], total = e, total+e.Size
			}
		}
		names = rest
		if len(want) == 0 {
			continue
		}
		blob, err := f.img.Blob(ctx, f.layers[i].desc)
		if err != nil {
			return nil, err
		}
		contents, err := checksums.ReadContents(ctx, blob, want)
		blob.Close()
		if err != nil {
			return nil, err
		}
		for name, data := range contents {
			out[name] = data
		}
	}
	return out, nil
}
