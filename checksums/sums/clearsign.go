package sums

import (
	"bytes"
	"context"
	"time"
)

// Lines of a file that holds text and its signature, RFC 9580 section 7.
var (
	clearBegin     = []byte("-----BEGIN PGP SIGNED MESSAGE-----")
	clearSignature = []byte("-----BEGIN PGP SIGNATURE-----")
	clearEnd       = []byte("-----END PGP SIGNATURE-----")
)

// IsClearSigned reports whether a file is text with its signature below it, in
// the form of InRelease or sha256sum.txt.asc.
func IsClearSigned(file []byte) bool { return bytes.HasPrefix(file, clearBegin) }

// VerifyClearSigned is VerifySignature for a file that holds the text as well.
// The text returned is what is signed, and all of the list that counts: a file
// with anything before or after it is refused.
func VerifyClearSigned(ctx context.Context, file []byte, keyring *Keyring, d Distributor, now time.Time) (text []byte, result SignatureResult, err error) {
	if len(file) > maxFile {
		return nil, SignatureResult{}, ErrTooLong
	}
	if !IsClearSigned(file) {
		return nil, SignatureResult{}, &SignatureError{Kind: ErrNoSignature}
	}
	lines, signature, ok := splitClearSigned(file)
	if !ok {
		return nil, SignatureResult{}, &SignatureError{Kind: ErrBadSignature, What: "the file is not one signed text"}
	}
	result, err = VerifySignature(ctx, bytes.NewReader(bytes.Join(lines, []byte("\r\n"))), signature, keyring, d, now)
	if err != nil {
		return nil, SignatureResult{}, err
	}
	return append(bytes.Join(lines, []byte("\n")), '\n'), result, nil
}

// splitClearSigned returns the lines that are signed and the armor below them.
// The library's own reader panics where there are no lines, and leaves out
// what stands before and after.
func splitClearSigned(file []byte) (lines [][]byte, armor []byte, ok bool) {
	header, rest, _ := bytes.Cut(file, []byte("\n"))
	if !bytes.Equal(trimLine(header), clearBegin) {
		return nil, nil, false
	}
	for {
		header, after, found := bytes.Cut(rest, []byte("\n"))
		rest = after
		if header = trimLine(header); found && len(header) == 0 {
			break
		}
		if !found || !bytes.HasPrefix(header, []byte("Hash: ")) {
			return nil, nil, false
		}
	}
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		line = trimLine(line)
		switch {
		case !found:
			return nil, nil, false
		case bytes.Equal(line, clearSignature):
			end := bytes.TrimRight(rest, " \t\r\n")
			one := bytes.Count(end, clearEnd) == 1 && bytes.HasSuffix(end, clearEnd)
			return lines, rest, one
		case bytes.HasPrefix(line, []byte("- ")):
			line = line[2:]
		case bytes.HasPrefix(line, []byte("-")):
			return nil, nil, false // such lines must be escaped
		}
		lines, rest = append(lines, line), after
	}
}

// trimLine drops what a signature over text does not cover.
func trimLine(line []byte) []byte { return bytes.TrimRight(line, " \t\r") }
