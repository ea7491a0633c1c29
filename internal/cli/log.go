package cli

import (
	"bytes"
	"io"

	"github.com/imageverify/verify/internal/output"
)

// logWriter makes the lines of a log safe. slog's own quoting keeps text on its
// line and shows what cannot be seen, but lets commands of CI systems through.
type logWriter struct{ w io.Writer }

// Write takes one line, as slog's handlers write them.
func (l logWriter) Write(line []byte) (int, error) {
	safe := output.SafeText(string(bytes.TrimSuffix(line, []byte("\n")))) + "\n"
	if _, err := io.WriteString(l.w, safe); err != nil {
		return 0, err
	}
	return len(line), nil
}
