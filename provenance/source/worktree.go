package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// linkedFolder follows the file .git of a linked work tree, or of a submodule
// (gitrepository-layout): "gitdir: PATH" leads to a folder with a HEAD of its
// own, whose file commondir leads to the git folder that the work trees share.
// head is the text of that HEAD; ok is false where there is no such file.
func linkedFolder(path string) (folder, head string, ok bool, err error) {
	at, err := os.OpenRoot(path)
	if err != nil {
		return "", "", false, nil
	}
	defer at.Close()
	if info, err := at.Stat(".git"); err != nil || info.IsDir() {
		return "", "", false, nil
	}
	text, err := smallFile(at, ".git")
	if err != nil {
		return "", "", false, err
	}
	own, named := strings.CutPrefix(text, "gitdir:")
	if !named {
		return "", "", false, fmt.Errorf(".git is neither a folder nor names one: %w", ErrNotRepository)
	}
	folder = beside(path, strings.TrimSpace(own))
	dir, err := os.OpenRoot(folder)
	if err != nil {
		return "", "", false, fmt.Errorf("the folder that .git names: %w: %w", ErrNotRepository, err)
	}
	defer dir.Close()
	if head, err = smallFile(dir, "HEAD"); err != nil {
		return "", "", false, fmt.Errorf("%w: %w", ErrNotRepository, err)
	}
	switch common, err := smallFile(dir, "commondir"); {
	case err == nil:
		folder = beside(folder, common)
	case !errors.Is(err, fs.ErrNotExist):
		return "", "", false, err
	}
	return folder, head, true, nil
}

// beside is a path as seen from a folder.
func beside(folder, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(folder, name)
}

// smallFile reads a line of a git folder.
func smallFile(dir *os.Root, name string) (string, error) {
	f, err := openRegular(dir, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRefBytes))
	return strings.TrimSpace(string(text)), err
}
