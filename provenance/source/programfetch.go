package source

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
)

const (
	uploadPack = "git-upload-pack"
	// allDepth makes fetch-pack fetch the parents that it left out before.
	allDepth = 1<<31 - 1
	// maxRounds bounds the requests of one fetch, and maxAsked the bytes of one.
	maxRounds = 64
	maxAsked  = 16 << 20
	// bigFile is the size in bytes from which the git program streams a file
	// rather than hold it.
	bigFile = "16m"
)

// converseLong starts the conversation with a server whose object names are
// SHA-256, which go-git cannot read.
func (m *remote) converseLong(ctx context.Context, guard *guardedTransport) (*conversation, error) {
	advert, err := exchange(ctx, guard, http.MethodGet, m.url+"/info/refs?service="+uploadPack, nil)
	if err != nil {
		return nil, m.failed(guard.cause(err))
	}
	defer advert.Close()
	raw, err := io.ReadAll(advert)
	if err != nil {
		return nil, m.failed(guard.cause(err))
	}
	_, raw, announced := bytes.Cut(raw, []byte("# service="+uploadPack+"\n0000"))
	refs, err := readLongReferences(raw)
	if !announced || err != nil {
		return nil, m.failed(errors.Join(errors.New("it does not answer as a git server"), err))
	}
	if format := refs.can.Get(capability.ObjectFormat); len(format) != 1 || format[0] != "sha256" {
		return nil, fmt.Errorf("%s: %w: the repository's names are SHA-1", m.url, ErrObjectFormat)
	}
	m.open = &conversation{guard: guard, refs: refs, advert: raw}
	return m.open, nil
}

// exchange sends a request and returns the body of the answer.
func exchange(ctx context.Context, rt http.RoundTripper, method, url string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-"+uploadPack+"-request")
	}
	res, err := (&http.Client{Transport: rt}).Do(req)
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// readLongReferences reads lines "ID NAME", of which the first goes on with a
// zero byte and what the server can do.
func readLongReferences(raw []byte) (references, error) {
	refs := references{can: capability.NewList(), names: map[string]id{}}
	texts := map[string]string{}
	lines := pktline.NewScanner(bytes.NewReader(raw))
	for n := 0; lines.Scan() && len(lines.Bytes()) > 0; n++ {
		line, abilities, _ := strings.Cut(strings.TrimSuffix(string(lines.Bytes()), "\n"), "\x00")
		if n == 0 {
			if err := refs.can.Decode([]byte(abilities)); err != nil {
				return refs, err
			}
		}
		if n >= maxRefs {
			return refs, &LimitError{What: "number of references", Limit: maxRefs}
		}
		text, name, _ := strings.Cut(line, " ")
		target, err := parseID(text)
		if err != nil {
			continue // "shallow ID", or a name of no object
		}
		if name == "HEAD" {
			refs.head = target
		}
		texts[name], refs.names[name] = text, target
	}
	refs.tips = distinctTips(texts)
	return refs, lines.Err()
}

// uploadLong lets the git program ask for objects and keep the pack that comes
// back. It opens no connection: what it would send it hands over.
func (m *remote) uploadLong(ctx context.Context, c *conversation, r request, filtered bool) error {
	args := []string{"-c", "core.bigFileThreshold=" + bigFile, "fetch-pack", "--stateless-rpc", "--stdin", "--keep", "--cloning", "--no-progress", "--quiet"}
	switch {
	case r.history:
		args = append(args, "--depth="+strconv.Itoa(allDepth))
	case r.depth > 0:
		args = append(args, "--depth="+strconv.Itoa(r.depth))
	}
	if filtered {
		args = append(args, "--filter="+string(r.filter))
	}
	cmd := gitCommand(m.folder.path, append(args, ".")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := m.converseFor(ctx, cmd, c, r.wants)
	if err == nil {
		return m.store.reload()
	}
	if said := strings.TrimSpace(stderr.String()); said != "" && c.guard.cause(nil) == nil {
		line, _, _ := strings.Cut(said, "\n")
		err = fmt.Errorf("git fetch-pack: %.200s", line)
	}
	return m.failed(c.guard.cause(err))
}

// converseFor runs fetch-pack: it is given the list of wants and the references,
// and each request that it writes, ended by a flush, is answered.
func (m *remote) converseFor(ctx context.Context, cmd *exec.Cmd, c *conversation, wants []id) error {
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	err = m.answer(ctx, in, bufio.NewReader(out), c, wants)
	in.Close()
	if err != nil {
		_ = cmd.Process.Kill()
	}
	if ended := cmd.Wait(); err == nil {
		err = ended
	}
	return errors.Join(err, ctx.Err())
}

func (m *remote) answer(ctx context.Context, in io.Writer, out io.Reader, c *conversation, wants []id) error {
	list := &bytes.Buffer{}
	lines := pktline.NewEncoder(list)
	for _, want := range wants {
		if err := lines.EncodeString(want.String()); err != nil {
			return err
		}
	}
	if err := lines.Flush(); err != nil {
		return err
	}
	if _, err := io.Copy(in, io.MultiReader(list, bytes.NewReader(c.advert))); err != nil {
		return err
	}
	for range maxRounds {
		asked, err := nextRequest(out)
		if err != nil || asked == nil {
			return err
		}
		body, err := exchange(ctx, c.guard, http.MethodPost, m.url+"/"+uploadPack, asked)
		if err != nil {
			return err
		}
		_, err = io.Copy(in, body)
		body.Close()
		if err != nil {
			return err
		}
	}
	return &LimitError{What: "requests of a fetch", Limit: maxRounds}
}

// nextRequest reads packets up to a flush; nil at the end. What the program
// prints after its last request is no packet.
func nextRequest(out io.Reader) ([]byte, error) {
	var asked []byte
	for {
		var head [4]byte
		if _, err := io.ReadFull(out, head[:]); err != nil {
			return nil, nil
		}
		size, err := strconv.ParseUint(string(head[:]), 16, 16)
		if err != nil {
			_, err := io.Copy(io.Discard, out)
			return nil, err
		}
		if size < 4 {
			return asked, nil
		}
		packet := make([]byte, size-4)
		if _, err := io.ReadFull(out, packet); err != nil {
			return nil, err
		}
		if asked = append(asked, packet...); len(asked) > maxAsked {
			return nil, &LimitError{What: "bytes of a request", Limit: maxAsked}
		}
	}
}
