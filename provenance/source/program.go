package source

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// program is the git program that reads one repository, object by object.
//
// It is not run in the repository but in an empty one beside it that borrows the
// repository's objects, so that the repository's configuration, which can name
// programs to run, is never read.
type program struct {
	dir string // of the empty repository

	mu      sync.Mutex
	running *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	broken  error
}

// borrowingConfig is the configuration of the empty repository.
const borrowingConfig = "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n"

// startProgram prepares to read the objects in a folder. Without the git program
// it gives ErrObjectFormat.
func startProgram(objects string) (*program, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, fmt.Errorf("SHA-256 names, and the git program is not installed: %w", ErrObjectFormat)
	}
	objects, err := filepath.Abs(objects)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "verify-git-")
	if err != nil {
		return nil, err
	}
	p := &program{dir: dir}
	if err := p.borrow(objects); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return p, nil
}

func (p *program) borrow(objects string) error {
	if strings.ContainsAny(objects, "\n\"") {
		return fmt.Errorf("%q cannot be given to the git program", objects)
	}
	for _, dir := range []string{"objects/info", "refs"} {
		if err := os.MkdirAll(filepath.Join(p.dir, dir), 0o700); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"HEAD": "ref: refs/heads/none\n", "config": borrowingConfig, "objects/info/alternates": objects + "\n"} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// gitCommand is a run of the git program in a repository of our own: without any
// configuration, hook, prompt, replacement or transport but ours.
func gitCommand(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("git", append([]string{"--no-replace-objects", "--git-dir=" + dir, "-c", "core.hooksPath=" + os.DevNull, "-c", "protocol.allow=never"}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=" + os.DevNull, "GIT_ALLOW_PROTOCOL=", "GIT_NO_LAZY_FETCH=1", "GIT_OPTIONAL_LOCKS=0", "GIT_ATTR_NOSYSTEM=1",
	}
	return cmd
}

// start runs the program, unless it is running.
func (p *program) start() error {
	if p.running != nil || p.broken != nil {
		return p.broken
	}
	cmd := gitCommand(p.dir, "cat-file", "--batch")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("git cat-file: %w", err)
	}
	p.running, p.in, p.out = cmd, in, bufio.NewReaderSize(out, 64<<10)
	return nil
}

// open reads an object to its end and gives it as it is, not verified.
func (p *program) open(want id) (*object, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.start(); err != nil {
		return nil, err
	}
	o, err := p.ask(hex.EncodeToString(want[:]))
	if err != nil && !errors.Is(err, ErrObjectAbsent) {
		p.broken = fmt.Errorf("git cat-file: %w", err) // what it says next is of another object
		return nil, p.broken
	}
	return o, err
}

func (p *program) ask(name string) (*object, error) {
	if _, err := io.WriteString(p.in, name+"\n"); err != nil {
		return nil, err
	}
	line, err := p.out.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("%w: it ended: %w", ErrMalformed, err)
	}
	said, ok := bytes.CutPrefix(bytes.TrimSuffix(line, []byte("\n")), []byte(name+" "))
	if !ok {
		return nil, fmt.Errorf("%w: it answers %.100q", ErrMalformed, line)
	}
	if string(said) == "missing" {
		return nil, ErrObjectAbsent
	}
	k, size, err := parseHeader(string(said))
	if err != nil {
		return nil, err
	}
	c, err := hold(&object{kind: k, size: size, ReadCloser: io.NopCloser(io.LimitReader(p.out, size))})
	if err != nil {
		return nil, err
	}
	if b, err := p.out.ReadByte(); err != nil || b != '\n' {
		return nil, fmt.Errorf("%w: no end after an object", ErrMalformed)
	}
	o := c.open()
	o.long = true
	return o, nil
}

// close ends the program and removes the empty repository.
func (p *program) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		p.in.Close()
		_ = p.running.Process.Kill() // it may wait for the rest of an object to be read
		_ = p.running.Wait()
		p.running = nil
	}
	return os.RemoveAll(p.dir)
}
