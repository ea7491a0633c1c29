package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// folder is a bare repository that keeps what was fetched.
type folder struct {
	path string
	lock func() (unlock func() error, err error)
}

// openFolder makes sure that the folder for a repository is there. A folder
// that is not kept (there is no cache) is replaced by a temporary one, which
// lives until the Opener is closed. The lock is held while something is
// written, never while objects are read: packs do not change.
func (o *Opener) openFolder(key, config string) (*folder, error) {
	f, err := o.keptFolder(key)
	if err != nil {
		return nil, err
	}
	unlock, err := f.lock()
	if err != nil {
		return nil, err
	}
	return f, errors.Join(f.create(config), unlock())
}

func (o *Opener) keptFolder(key string) (*folder, error) {
	if o.options.CacheDir != nil {
		path, unlock, err := o.options.CacheDir("git", key)
		if err != nil {
			return nil, err
		}
		if err := unlock(); err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err == nil {
			return &folder{path, func() (func() error, error) {
				_, unlock, err := o.options.CacheDir("git", key)
				return unlock, err
			}}, nil
		}
	}
	path, err := os.MkdirTemp("", "verify-git-")
	if err != nil {
		return nil, err
	}
	o.temp = append(o.temp, path)
	none := func() error { return nil }
	return &folder{path, func() (func() error, error) { return none, nil }}, nil
}

// create makes an empty bare repository with a configuration, "" for none,
// unless there is one.
func (f *folder) create(config string) error {
	if err := os.MkdirAll(filepath.Join(f.path, "objects", "pack"), 0o700); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(f.path, "refs", "heads"), 0o700); err != nil {
		return err
	}
	f.sweep()
	head := filepath.Join(f.path, "HEAD")
	if _, err := os.Stat(head); err == nil {
		return nil
	}
	if config != "" {
		if err := writeFile(filepath.Join(f.path, "config"), config); err != nil {
			return err
		}
	}
	return writeFile(head, "ref: refs/heads/master\n")
}

// staleAfter is the age at which a file that a fetch writes is one that a killed
// program left behind: a fetch writes all the time.
const staleAfter = time.Hour

// sweep removes what killed programs left of their fetches. What cannot be
// removed stays for the next time.
func (f *folder) sweep() {
	left, _ := filepath.Glob(filepath.Join(f.path, "objects", "pack", "tmp_*"))
	for _, name := range left {
		if info, err := os.Lstat(name); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = os.Remove(name)
		}
	}
}

// addPack reads a pack of at most limit bytes to its end and puts it, with its
// index, into the repository.
func (f *folder) addPack(ctx context.Context, r io.Reader, limit int64) (err error) {
	dir := filepath.Join(f.path, "objects", "pack")
	data, err := os.CreateTemp(dir, "tmp_pack_")
	if err != nil {
		return err
	}
	defer dropFile(data)
	if n, err := io.Copy(data, io.LimitReader(r, limit+1)); err != nil {
		return err
	} else if n > limit {
		return &LimitError{What: "size of a fetched pack", Limit: limit}
	}
	index, err := os.CreateTemp(dir, "tmp_idx_")
	if err != nil {
		return err
	}
	defer dropFile(index)
	sum, err := indexPack(ctx, data, index)
	if err != nil {
		return err
	}
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	// The index last: a reader takes no pack that has none.
	name := filepath.Join(dir, "pack-"+sum)
	err = errors.Join(data.Sync(), index.Sync())
	if err == nil {
		err = os.Rename(data.Name(), name+".pack")
	}
	if err == nil {
		err = os.Rename(index.Name(), name+".idx")
	}
	return errors.Join(err, unlock())
}

// dropFile closes a temporary file, and removes it if it still has its name.
func dropFile(f *os.File) {
	f.Close()
	os.Remove(f.Name())
}

// writeFile writes a small file aside and renames it into place.
func writeFile(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), "tmp_file_")
	if err != nil {
		return err
	}
	defer dropFile(f)
	if _, err := f.WriteString(text); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.Rename(f.Name(), name)
}
