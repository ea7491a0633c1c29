package replay

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	modes "github.com/tonistiigi/dchapes-mode"

	"github.com/moby/sys/user"
)

// maxUserFile is how many bytes /etc/passwd and /etc/group may have, as BuildKit
// has it.
const maxUserFile = 10 << 20

// owner is a numeric user and group.
type owner struct{ uid, gid int }

// owner reads "user[:group]" as --chown and USER have it.
func (p *player) owner(text string) (owner, error) {
	name, group, both := strings.Cut(text, ":")
	if p.in.Dialect == Classic {
		return p.classicOwner(text, name, group, both)
	}
	o, err := p.buildkitUser(name)
	if err != nil || group == "" {
		return o, err
	}
	if id, ok := parseID(group, true); ok {
		o.gid = id
		return o, nil
	}
	found := false
	err = p.readUserFile("etc/group", group, func(r io.Reader) error {
		groups, err := user.ParseGroupFilter(r, func(g user.Group) bool { return g.Name == group })
		if found = len(groups) > 0; found {
			o.gid = groups[0].Gid
		}
		return err
	})
	return o, err
}

// buildkitUser is a user, and the group that goes with a user alone: of a
// number the same, of a name the one in /etc/passwd. A name that is not there
// is root.
func (p *player) buildkitUser(name string) (o owner, err error) {
	if id, ok := parseID(name, true); ok {
		return owner{id, id}, nil
	}
	err = p.readUserFile("etc/passwd", name, func(r io.Reader) error {
		users, err := user.ParsePasswdFilter(r, func(u user.User) bool { return u.Name == name })
		if len(users) > 0 {
			o = owner{users[0].Uid, users[0].Gid}
		}
		return err
	})
	return o, err
}

// classicOwner looks both names up; a user alone is the name of the group too.
// Without the image root is taken to be 0.
func (p *player) classicOwner(text, name, group string, both bool) (o owner, err error) {
	if !both {
		group = name
	}
	if strings.Contains(group, ":") {
		return o, cannot(ChownName, "%s", text)
	}
	uid, knownUser := parseID(name, p.in.Contents == nil)
	gid, knownGroup := parseID(group, p.in.Contents == nil)
	if !knownUser {
		err = p.readUserFile("etc/passwd", name, func(r io.Reader) error {
			users, err := user.ParsePasswdFilter(r, func(u user.User) bool { return u.Name == name })
			if knownUser = len(users) > 0; knownUser {
				uid = users[0].Uid
			}
			return err
		})
	}
	if !knownGroup && err == nil {
		err = p.readUserFile("etc/group", group, func(r io.Reader) error {
			groups, err := user.ParseGroupFilter(r, func(g user.Group) bool { return g.Name == group })
			if knownGroup = len(groups) > 0; knownGroup {
				gid = groups[0].Gid
			}
			return err
		})
	}
	switch {
	case err != nil:
		return owner{}, err
	case !knownUser || !knownGroup: // the build would have failed
		return owner{}, cannot(ChownName, "%s", text)
	}
	return owner{uid, gid}, nil
}

// readUserFile has a file of the image read in which a name is looked up;
// nothing is read where there is none. Without the image only root's number is
// known.
func (p *player) readUserFile(name, wanted string, read func(io.Reader) error) error {
	at, err := p.tree.resolve(name, ".", true)
	if err != nil {
		return err
	}
	e, err := p.tree.lstat(at)
	if err != nil || e == nil {
		if err == nil && p.in.Contents == nil {
			return cannot(ChownName, "%s", wanted)
		}
		return err
	}
	if p.in.Contents == nil {
		return cannot(ChownName, "%s", wanted)
	}
	rc, err := p.in.Contents(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer rc.Close()
	limited := &io.LimitedReader{R: rc, N: maxUserFile + 1}
	if err := read(limited); err != nil || limited.N == 0 {
		return cannot(ChownName, "%s: /%s cannot be read, or has more than %d bytes (%v)", wanted, at, maxUserFile, err)
	}
	return nil
}

// parseID reads a number; BuildKit knows root's without the image.
func parseID(text string, root bool) (int, bool) {
	if root && text == "root" {
		return 0, true
	}
	id, err := strconv.ParseUint(text, 10, 32)
	return int(id), err == nil && id <= math.MaxInt32
}

// chmod is the value of --chmod: octal digits or words.
type chmod struct {
	octal int64
	words *modes.Set
}

func parseMode(text string) (*chmod, error) {
	if octal, err := strconv.ParseUint(text, 8, 32); err == nil {
		if octal > 0o7777 {
			return nil, cannot(ChmodUnknown, "%s", text)
		}
		return &chmod{octal: int64(octal)}, nil
	}
	set, err := modes.ParseWithUmask(text, 0)
	if err != nil {
		return nil, cannot(ChmodUnknown, "%s", text)
	}
	return &chmod{words: &set}, nil
}

// apply returns the mode that a file or directory of a mode gets.
func (c *chmod) apply(mode os.FileMode, unix func(os.FileMode) int64) int64 {
	if c.words == nil {
		return c.octal
	}
	return unix(c.words.Apply(mode))
}

// parents is the mode of directories that are made on the way.
func (c *chmod) parents() int64 {
	if c.words != nil {
		return newDirMode
	}
	return c.octal & 0o777
}
