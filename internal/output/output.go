// Package output writes a verify.Report in the formats that people and programs
// read. A format only writes: statuses, levels and verdicts come from the
// report, and an error is what the writer returned.
package output

import (
	"fmt"
	"io"
	"strings"

	"github.com/imageverify/verify"
)

// Format names a form of the report.
type Format string

// The formats.
const (
	Text Format = "text" // for people
	JSON Format = "json" // for programs; docs/output.md describes it
)

// Style says how text looks. JSON knows no style.
type Style struct {
	// Width is the number of columns to wrap at; 0 does not wrap.
	Width int
	// Color allows colours.
	Color bool
	// Verbose shows every fact of the report in full, Quiet one line an image.
	// Quiet goes before Verbose.
	Verbose, Quiet bool
}

// Formats are the names of all formats, the default first.
func Formats() []string { return []string{string(Text), string(JSON)} }

// Write writes the report in one piece. The error is the writer's, or says that
// there is no such format, in which case nothing is written.
func Write(w io.Writer, f Format, r *verify.Report, s Style) error {
	return write(w, f, r, func() []byte { return textReport(r, s) })
}

// WriteError writes the error that kept a run from being made: one line and its
// hints as text, Markdown or a page, an object with the member "error" as JSON
// and in place of a statement.
func WriteError(w io.Writer, f Format, e *verify.RunError, s Style) error {
	switch f {
	case HTML:
		return writeAll(w, errorPage(e))
	case Markdown:
		return writeAll(w, []byte("**verify could not run**: "+SafeMarkdown(e.Message)+"\n"))
	case InToto:
		f = JSON
	}
	return write(w, f, ErrorDocument{verify.SchemaVersion, *e}, func() []byte { return textError(e, s) })
}

// write writes a document as JSON, or the text that stands for it.
func write(w io.Writer, f Format, document any, text func() []byte) error {
	switch f {
	case Text:
		return writeAll(w, text())
	case JSON:
		data, err := jsonDocument(document)
		if err != nil {
			return err
		}
		return writeAll(w, data)
	}
	return unknownFormat(f)
}

func unknownFormat(f Format) error {
	return fmt.Errorf("no such format: %q; the formats are %s", string(f), strings.Join(Formats(), ", "))
}

// writeAll writes data at once; a writer that takes less without saying why is
// an error too.
func writeAll(w io.Writer, data []byte) error {
	n, err := w.Write(data)
	if err == nil && n < len(data) {
		err = io.ErrShortWrite
	}
	return err
}
