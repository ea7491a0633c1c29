package buildhash

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/imageverify/verify/checksums"
)

// copyBuffer is how much of a file is read at a time.
const copyBuffer = 128 << 10

// sumEntry returns the hash of one entry for every variant, reading its content
// once. Variants whose header texts are equal share a hash state.
func sumEntry(ctx context.Context, fsys fs.FS, n node, variants []Variant) ([][sha256.Size]byte, error) {
	if !n.info.IsDir() && !n.info.Mode().IsRegular() {
		return nil, ErrNotHashed
	}
	states := map[string]hash.Hash{}
	headers := make([]string, len(variants))
	var writers []io.Writer
	for i, v := range variants {
		headers[i] = headerText(n, v)
		if states[headers[i]] == nil {
			h := sha256.New()
			io.WriteString(h, headers[i])
			states[headers[i]] = h
			writers = append(writers, h)
		}
	}
	if !n.info.IsDir() {
		if err := copyFile(ctx, io.MultiWriter(writers...), fsys, n); err != nil {
			return nil, err
		}
	}
	sums := make([][sha256.Size]byte, len(variants))
	for i, text := range headers {
		states[text].Sum(sums[i][:0])
	}
	return sums, nil
}

// copyFile streams the file's content, which must be as long as its header
// said.
func copyFile(ctx context.Context, w io.Writer, fsys fs.FS, n node) error {
	f, err := fsys.Open(n.path)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := io.CopyBuffer(w, io.LimitReader(checksums.ContextReader(ctx, f), n.info.Size()+1), make([]byte, copyBuffer))
	if err != nil {
		return err
	}
	if size != n.info.Size() {
		return fmt.Errorf("it does not have the %d bytes that it says", n.info.Size())
	}
	return nil
}

// headerText is what the hash of an entry begins with under a variant.
func headerText(n node, v Variant) string {
	name, size, typeflag := v.Prefix+n.path, n.info.Size(), "0"
	if n.info.IsDir() {
		name, size, typeflag = name+"/", 0, "5"
	}
	var b strings.Builder
	for _, field := range [...][2]string{
		{"name", name},
		{"mode", strconv.FormatInt(v.Mode(n.info), 10)},
		{"uid", "0"}, {"gid", "0"},
		{"size", strconv.FormatInt(size, 10)},
		{"typeflag", typeflag},
		{"linkname", ""}, {"uname", v.Owner}, {"gname", v.Owner},
		{"devmajor", "0"}, {"devminor", "0"},
	} {
		b.WriteString(field[0])
		b.WriteString(field[1])
	}
	return b.String()
}
