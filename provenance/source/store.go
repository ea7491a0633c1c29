package source

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing/format/config"
)

const (
	maxPacks      = 10_000
	maxAlternates = 8 // object folders that one repository borrows from, at any depth
	maxConfig     = 1 << 20
)

// store reads the objects and references of a repository on disk. It is safe
// for concurrent use. Nothing that it gives is verified.
//
// It reads packs itself: go-git's storage takes twice as long for the library's
// history, holds large delta bases in memory and is not safe for concurrent use.
type store struct {
	path    string
	root    *os.Root   // the git folder
	ownHead string     // HEAD of a linked work tree; "" for the git folder's
	objects []*os.Root // objects folders: its own first, then the alternates
	bases   *baseCache
	mu      sync.RWMutex
	packs   []*pack
	byName  map[string]*pack
	shallow map[id]bool
	program *program // reads a repository whose names are SHA-256; nil for others
}

// idSize is the number of bytes of the repository's object names.
func (s *store) idSize() int {
	if s.program != nil {
		return sha256.Size
	}
	return idSize
}

// named reads an id that was given as text, which must be of the repository's
// kind.
func (s *store) named(text string) (id, error) {
	name, err := parseID(text)
	if err == nil && len(text) != 2*s.idSize() {
		err = fmt.Errorf("%s: %w: the repository's are of %d digits", text, ErrObjectFormat, 2*s.idSize())
	}
	return name, err
}

// openStore opens the repository in a folder: bare, with a .git folder, or a
// linked work tree of one.
func openStore(path string) (*store, error) {
	folder, head, linked, err := linkedFolder(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !linked {
		folder = path
	}
	root, err := openGitFolder(folder)
	if err != nil {
		return nil, err
	}
	s := &store{path: path, root: root, ownHead: head, bases: newBaseCache(), byName: map[string]*pack{}}
	for _, step := range []func() error{s.checkFormat, s.openObjects, s.readShallow, s.reload} {
		if err := step(); err != nil {
			s.close()
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return s, nil
}

func openGitFolder(path string) (*os.Root, error) {
	for _, dir := range []string{filepath.Join(path, ".git"), path} {
		root, err := os.OpenRoot(dir)
		if err != nil {
			continue
		}
		objects, errObjects := root.Stat("objects")
		if _, err := root.Stat("HEAD"); err == nil && errObjects == nil && objects.IsDir() {
			return root, nil
		}
		root.Close()
	}
	return nil, fmt.Errorf("%s: %w", path, ErrNotRepository)
}

// checkFormat hands repositories whose object names are SHA-256 over to the git
// program, and refuses others that are not SHA-1.
func (s *store) checkFormat() error {
	f, err := openRegular(s.root, "config")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	c := config.New()
	if err := config.NewDecoder(io.LimitReader(f, maxConfig)).Decode(c); err != nil {
		return fmt.Errorf("config: %w: %w", ErrMalformed, err)
	}
	format := strings.ToLower(c.Section("extensions").Option("objectformat"))
	if format == "sha256" {
		s.program, err = startProgram(filepath.Join(s.root.Name(), "objects"))
		return err
	}
	if format != "" && format != "sha1" {
		return fmt.Errorf("object format %q: %w", format, ErrObjectFormat)
	}
	return nil
}

// openObjects opens the objects folder and those it borrows from, breadth first.
func (s *store) openObjects() error {
	queue := []string{filepath.Join(s.root.Name(), "objects")}
	for i := 0; i < len(queue); i++ {
		if i > maxAlternates {
			return &LimitError{What: "number of alternate object folders", Limit: maxAlternates}
		}
		root, err := os.OpenRoot(queue[i])
		if err != nil {
			if i == 0 {
				return err
			}
			continue // like git, which warns: its objects are then absent
		}
		s.objects = append(s.objects, root)
		lines, err := readLines(root, "info/alternates")
		if err != nil {
			return err
		}
		for _, line := range lines {
			if !filepath.IsAbs(line) {
				line = filepath.Join(queue[i], line)
			}
			queue = append(queue, line)
		}
	}
	return nil
}

// readShallow reads the commits whose parents were left out on purpose.
func (s *store) readShallow() error {
	lines, err := readLines(s.root, "shallow")
	if err != nil {
		return err
	}
	s.shallow = map[id]bool{}
	for _, line := range lines {
		commit, err := parseID(line)
		if err != nil {
			return fmt.Errorf("shallow: %w: %w", ErrMalformed, err)
		}
		s.shallow[commit] = true
	}
	return nil
}

// maxLines bounds the small line files of a repository, in bytes.
const maxLines = 64 << 20

// readLines reads a file of lines; comments and empty lines are dropped and a
// missing file is empty.
func readLines(dir *os.Root, name string) ([]string, error) {
	f, err := openRegular(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	limited := &io.LimitedReader{R: f, N: maxLines + 1}
	scanner := bufio.NewScanner(limited)
	var lines []string
	for scanner.Scan() {
		if line := strings.TrimSpace(scanner.Text()); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	if limited.N == 0 {
		return nil, &LimitError{What: "size of " + name, Limit: maxLines}
	}
	return lines, scanner.Err()
}

// reload looks for packs that were added.
func (s *store) reload() error {
	if s.program != nil {
		return nil // it looks for itself
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, dir := range s.objects {
		names, err := packNames(dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := s.addPack(dir, name); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// packNames lists the packs of an objects folder without their suffixes.
func packNames(dir *os.Root) ([]string, error) {
	entries, err := fs.ReadDir(dir.FS(), "pack")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".idx"); ok {
			names = append(names, "pack/"+name)
		}
	}
	if len(names) > maxPacks {
		return nil, &LimitError{What: "number of packs", Limit: maxPacks}
	}
	return names, nil
}

func (s *store) addPack(dir *os.Root, name string) error {
	key := dir.Name() + "/" + name
	if s.byName[key] != nil {
		return nil
	}
	p, err := openPack(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // an index without its pack: it is being written or removed
	}
	if err != nil {
		return err
	}
	p.bases = s.bases
	s.byName[key] = p
	s.packs = append(s.packs, p)
	return nil
}

func openPack(dir *os.Root, name string) (*pack, error) {
	file, err := openRegular(dir, name+".pack")
	if err != nil {
		return nil, err
	}
	xfile, err := openRegular(dir, name+".idx")
	if err != nil {
		file.Close()
		return nil, err
	}
	p := &pack{file: file, xfile: xfile}
	if err := p.init(); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pack) init() error {
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	p.size = info.Size()
	if info, err = p.xfile.Stat(); err != nil {
		return err
	}
	var head [8]byte
	if _, err := p.file.ReadAt(head[:], 0); err != nil || string(head[:]) != packSignature {
		return fmt.Errorf("not a pack of version 2: %w", ErrMalformed)
	}
	p.index, err = newPackIndex(p.xfile, info.Size())
	return err
}

// open opens an object wherever it is; ErrObjectAbsent when it is nowhere.
func (s *store) open(want id) (*object, error) {
	if s.program != nil {
		return s.program.open(want)
	}
	if want.long() {
		return nil, ErrObjectAbsent
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.packs {
		offset, ok, err := p.index.find(want)
		if err != nil {
			return nil, err
		}
		if ok {
			return p.open(offset)
		}
	}
	for _, dir := range s.objects {
		o, err := openLoose(dir, want)
		if !errors.Is(err, ErrObjectAbsent) {
			return o, err
		}
	}
	return nil, ErrObjectAbsent
}

// has reports whether an object is here.
func (s *store) has(want id) bool {
	o, err := s.open(want)
	if err != nil {
		return false
	}
	o.Close()
	return true
}

func (s *store) close() error {
	var errs []error
	if s.program != nil {
		errs = append(errs, s.program.close())
	}
	for _, p := range s.packs {
		errs = append(errs, p.close())
	}
	for _, dir := range s.objects {
		errs = append(errs, dir.Close())
	}
	return errors.Join(append(errs, s.root.Close())...)
}
