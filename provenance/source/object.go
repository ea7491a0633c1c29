package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/pjbgf/sha1cd"
)

// Bounds of objects, in bytes of their content.
const (
	maxBlob   = 512 << 20
	maxCommit = 4 << 20  // commits and tags; the largest known carry signatures of some KiB
	maxTree   = 64 << 20 // about a million entries
)

// id is the name of an object: a SHA-256, or a SHA-1 followed by zeros. Which of
// them it is the repository says, where a name was not written out.
type id [sha256.Size]byte

// idOf makes an id of the bytes of a hash.
func idOf(sum []byte) (out id) {
	copy(out[:], sum)
	return out
}

func (i id) String() string {
	if i.long() {
		return hex.EncodeToString(i[:])
	}
	return hex.EncodeToString(i[:idSize])
}

// long reports whether the id is no SHA-1.
func (i id) long() bool {
	return [sha256.Size - idSize]byte(i[idSize:]) != [sha256.Size - idSize]byte{}
}

// parseID reads a full id in hex. Abbreviations are refused: they prove nothing.
func parseID(text string) (id, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != idSize && len(raw) != sha256.Size {
		return id{}, fmt.Errorf("%.80q is not a full git object id", text)
	}
	return idOf(raw), nil
}

// kind is an object's type; the values are those of pack files.
type kind uint8

const (
	kindCommit kind = 1
	kindTree   kind = 2
	kindBlob   kind = 3
	kindTag    kind = 4
)

func (k kind) String() string {
	switch k {
	case kindCommit:
		return "commit"
	case kindTree:
		return "tree"
	case kindBlob:
		return "blob"
	case kindTag:
		return "tag"
	}
	return "object of unknown type"
}

// limit is the bound of an object of that type.
func (k kind) limit() int64 {
	switch k {
	case kindBlob:
		return maxBlob
	case kindTree:
		return maxTree
	}
	return maxCommit
}

// parseHeader reads the header "type size" of a loose object.
func parseHeader(text string) (kind, int64, error) {
	name, digits, _ := strings.Cut(text, " ")
	size, err := strconv.ParseUint(digits, 10, 62)
	if err != nil {
		return 0, 0, fmt.Errorf("object header %.40q: %w", text, ErrMalformed)
	}
	for k := kindCommit; k <= kindTag; k++ {
		if k.String() == name {
			return k, int64(size), nil
		}
	}
	return 0, 0, fmt.Errorf("object header %.40q: %w", text, ErrMalformed)
}

// object is an open object as its repository gives it, not verified.
type object struct {
	kind kind
	size int64
	io.ReadCloser
	memory []byte // the whole content where it is at hand, shared and not to be changed
	long   bool   // its name is a SHA-256
}

// verified makes an object's reader give a *MismatchError in place of EOF when
// the content does not have the id, or is shorter or longer than the size.
func verified(o *object, want id, as kind) (io.ReadCloser, error) {
	if o.kind != as {
		o.Close()
		return nil, fmt.Errorf("%s %s is a %s: %w", as, want, o.kind, ErrMalformed)
	}
	if o.size > as.limit() {
		o.Close()
		return nil, &LimitError{What: fmt.Sprintf("size of git %s %s", as, want), Limit: as.limit()}
	}
	v := &verifier{object: o, want: want, left: o.size}
	if o.long {
		v.hash = sha256.New()
		v.hash.Write(objectHeader(o.kind, o.size))
	} else {
		v.hash = newHash(o.kind, o.size)
	}
	return v, nil
}

// objectHeader is what an object's name covers before its content.
func objectHeader(k kind, size int64) []byte {
	text := append(make([]byte, 0, maxHeader), k.String()...)
	return append(strconv.AppendInt(append(text, ' '), size, 10), 0)
}

// newHash starts the SHA-1 of an object.
func newHash(k kind, size int64) sha1cd.CollisionResistantHash {
	h := sha1cd.New().(sha1cd.CollisionResistantHash)
	h.Write(objectHeader(k, size))
	return h
}

// readVerified reads an object to its verified end and closes it.
func readVerified(o *object, want id, as kind) ([]byte, error) {
	body, err := verified(o, want, as)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if o.memory == nil {
		return readAll(body, o.size)
	}
	v := body.(*verifier)
	v.hash.Write(o.memory)
	v.left -= int64(len(o.memory))
	if err := v.check(); err != io.EOF {
		return nil, err
	}
	return o.memory, nil
}

// readAll reads to the end. It trusts size for no more than a guess.
func readAll(r io.Reader, size int64) ([]byte, error) {
	data := make([]byte, 0, min(size, 1<<20)+1)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

type verifier struct {
	object *object
	hash   hash.Hash
	want   id
	left   int64 // bytes that the header still promises; below zero: too many came
	err    error
}

func (v *verifier) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.object.Read(p)
	v.hash.Write(p[:n])
	v.left -= int64(n)
	switch {
	case v.left < 0:
		v.err = v.mismatch() // the hash covers more than the header says: it cannot match
	case err == io.EOF:
		v.err = v.check()
	case err != nil:
		v.err = fmt.Errorf("git %s %s: %w", v.object.kind, v.want, err)
	}
	return n, v.err
}

// check compares the finished hash; io.EOF when it is right.
func (v *verifier) check() error {
	if got, collision := v.sum(); collision || v.left != 0 || got != v.want {
		return v.mismatch()
	}
	return io.EOF
}

func (v *verifier) sum() (got id, collision bool) {
	h, ok := v.hash.(sha1cd.CollisionResistantHash)
	if !ok {
		return idOf(v.hash.Sum(nil)), false
	}
	sum, collision := h.CollisionResistantSum(nil)
	return idOf(sum), collision
}

func (v *verifier) mismatch() error {
	got, collision := v.sum()
	return &MismatchError{Want: v.want.String(), Got: got.String(), Type: v.object.kind.String(), Collision: collision}
}

func (v *verifier) Close() error { return v.object.Close() }
