package replay

import (
	"math"
	"strconv"
	"strings"
)

// owner is a numeric user and group.
type owner struct{ uid, gid int }

// parseOwner reads "user[:group]" as --chown and USER have it. A user alone is
// the group too. Of names only root's number is known without the image.
func parseOwner(text string) (owner, error) {
	user, group, both := strings.Cut(text, ":")
	if !both {
		group = user
	}
	uid, ok := parseID(user)
	gid, ok2 := parseID(group)
	if !ok || !ok2 {
		return owner{}, cannot(ChownName, "%s", text)
	}
	return owner{uid, gid}, nil
}

func parseID(text string) (int, bool) {
	if text == "root" {
		return 0, true
	}
	id, err := strconv.ParseUint(text, 10, 32)
	return int(id), err == nil && id <= math.MaxInt32
}

// parseMode reads the octal digits of --chmod.
func parseMode(text string) (int64, error) {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode > 0o7777 {
		return 0, cannot(ChmodSymbolic, "%s", text)
	}
	return int64(mode), nil
}
