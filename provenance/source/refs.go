package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

const (
	maxRefs     = 1_000_000
	maxRefHops  = 5 // symbolic references to symbolic references; as git
	maxRefBytes = 4096
)

// head returns the commit that HEAD names.
func (s *store) head() (id, error) { return s.resolve("HEAD") }

// resolve follows a reference by its full name to an object.
func (s *store) resolve(name string) (id, error) {
	given := name
	for range maxRefHops {
		text, err := s.refText(name)
		if err != nil {
			return id{}, fmt.Errorf("reference %.200q: %w", given, err)
		}
		next, symbolic := strings.CutPrefix(text, "ref:")
		if !symbolic {
			return parseID(text)
		}
		name = strings.TrimSpace(next)
		if !fs.ValidPath(name) || !strings.HasPrefix(name, "refs/") {
			return id{}, fmt.Errorf("reference %.200q: %w", name, ErrMalformed)
		}
	}
	return id{}, fmt.Errorf("reference %.200q points in a circle: %w", given, ErrMalformed)
}

func (s *store) refText(name string) (string, error) {
	text, err := s.looseRef(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	packed, err := s.packedRefs()
	if err != nil {
		return "", err
	}
	if target, ok := packed[name]; ok {
		return target, nil
	}
	return "", fmt.Errorf("it names nothing: %w", ErrObjectAbsent)
}

func (s *store) looseRef(name string) (string, error) {
	if name == "HEAD" && s.ownHead != "" {
		return s.ownHead, nil
	}
	f, err := openRegular(s.root, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRefBytes))
	return strings.TrimSpace(string(text)), err
}

// packedRefs reads the references that share one file: lines "ID NAME", and
// lines "^ID" with what the tag before them points to.
func (s *store) packedRefs() (map[string]string, error) {
	lines, err := readLines(s.root, "packed-refs")
	if err != nil {
		return nil, err
	}
	if len(lines) > maxRefs {
		return nil, &LimitError{What: "number of references", Limit: maxRefs}
	}
	refs := make(map[string]string, len(lines))
	for _, line := range lines {
		if target, name, ok := strings.Cut(line, " "); ok {
			refs[name] = target
		}
	}
	return refs, nil
}

// tips returns the objects that branches and tags name, each once (see
// distinctTips). References that name nothing readable are passed over.
func (s *store) tips(ctx context.Context) ([]id, error) {
	refs, err := s.packedRefs()
	if err != nil {
		return nil, err
	}
	n := 0
	err = fs.WalkDir(s.root.FS(), "refs", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if n++; n > maxRefs {
			return &LimitError{What: "number of references", Limit: maxRefs}
		}
		if text, err := s.looseRef(name); err == nil {
			refs[name] = text
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return distinctTips(refs), nil
}

// split takes the tip that HEAD names, if it is one, from the others.
func (r references) split() (head, others []id) {
	for _, tip := range r.tips {
		if tip == r.head {
			head = append(head, tip)
		} else {
			others = append(others, tip)
		}
	}
	return head, others
}

// distinctTips returns what the repository's own branches and tags name, each
// once: the references below refs/heads and refs/tags, and no others. What is
// below refs/remotes is what other repositories call their branches, forks among
// them; below refs/pull and the like is what anybody has proposed. So the other
// branches of a plain clone, which are refs/remotes/origin/* there, do not count:
// who gives one as a mirror makes it with `git clone --mirror`, or makes a branch
// of each one that should count (`git branch NAME origin/NAME`).
func distinctTips(refs map[string]string) []id {
	seen := map[id]bool{}
	var out []id
	for name, text := range refs {
		if tip, err := parseID(text); isBranchOrTag(name) && err == nil && !seen[tip] {
			seen[tip] = true
			out = append(out, tip)
		}
	}
	return out
}
