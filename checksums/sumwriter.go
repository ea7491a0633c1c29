package checksums

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// SumWriter hashes and counts what it passes on to another writer.
type SumWriter struct {
	w    io.Writer
	hash hash.Hash
	size int64
}

// NewSumWriter returns a writer that passes on to w.
func NewSumWriter(w io.Writer) *SumWriter { return &SumWriter{w: w, hash: sha256.New()} }

// Write implements io.Writer. What w did not take does not count.
func (s *SumWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	return n, err
}

// Digest is the sha256 digest of what was passed on so far.
func (s *SumWriter) Digest() v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(s.hash.Sum(nil))}
}

// Size is how many bytes were passed on so far.
func (s *SumWriter) Size() int64 { return s.size }
