//go:build !windows

package cache

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// notOurs says why somebody else could have written what info describes, ""
// when nobody could.
func notOurs(info fs.FileInfo) string {
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Sprintf("is writable by others (mode %04o)", mode)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "has no owner that can be read"
	}
	if uid := os.Geteuid(); int64(stat.Uid) != int64(uid) {
		return fmt.Sprintf("belongs to user %d, and this is user %d", stat.Uid, uid)
	}
	return ""
}
