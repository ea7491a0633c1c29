package image

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// maxListed bounds the names that one hint lists.
const maxListed = 10

// AbsentError says that content which something names is not there.
type AbsentError struct {
	What  string // such as "sha256:…"
	Where string // such as "oci:DIR" or "docker.io/library/alpine"
	// Note says what is there instead, or "".
	Note string
}

// Error is one line.
func (e *AbsentError) Error() string {
	return fmt.Sprintf("%s is absent from %s%s", e.What, e.Where, prefixed(": ", e.Note))
}

// Hint says what the user can do.
func (e *AbsentError) Hint() string {
	return "it is named there but not stored: fetch the whole image"
}

// NotFoundError says that the reference names nothing, or more than one thing.
type NotFoundError struct {
	// What was looked for, such as "no image for linux/s390x".
	What  string
	Where string
	// Present lists what could be asked for instead, after Label.
	Label   string // "present", "near"
	Present []string
	// Advice is the hint where Present is empty.
	Advice string
}

// Error is one line.
func (e *NotFoundError) Error() string { return e.What + " in " + e.Where }

// Hint lists what is there instead, or advises.
func (e *NotFoundError) Hint() string {
	if len(e.Present) == 0 {
		return e.Advice
	}
	return e.Label + ": " + listed(e.Present)
}

// LimitError says that foreign input exceeds a bound of this package.
type LimitError struct {
	What  string // such as "manifest sha256:…: layers"
	Limit int64
	// Advice is the hint; "": that no image needs that many.
	Advice string
}

// Error is one line.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: over the limit of %d", e.What, e.Limit)
}

// Hint says that the bound is not the user's to change, or what to do instead.
func (e *LimitError) Hint() string {
	if e.Advice != "" {
		return e.Advice
	}
	return "no image needs that many: it is broken or hostile"
}

// FormatError says that content is not what it should be.
type FormatError struct {
	What    string // such as "manifest sha256:…"
	Where   string
	Problem string
	Advice  string
	Err     error // the parser's, or nil
}

// Error is one line.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s in %s: %s", e.What, e.Where, e.Problem)
}

// Hint says what the user can do, or is "".
func (e *FormatError) Hint() string { return e.Advice }

// Unwrap returns the parser's error.
func (e *FormatError) Unwrap() error { return e.Err }

// ReferenceError says that a reference cannot be understood, or that the file or
// directory it names is not what it should be.
type ReferenceError struct {
	Given   string
	Problem string
	Advice  string
	Err     error // of the file system, or nil
}

// Error is one line.
func (e *ReferenceError) Error() string { return fmt.Sprintf("%s: %s", e.Given, e.Problem) }

// Hint says what to write instead, or is "".
func (e *ReferenceError) Hint() string { return e.Advice }

// Unwrap returns the file system's error.
func (e *ReferenceError) Unwrap() error { return e.Err }

// RegistryError says that a registry refused, failed or could not be reached.
type RegistryError struct {
	Host string
	// Status is the HTTP status, or 0 where there was no answer.
	Status  int
	Problem string
	Advice  string
	Err     error // the transport's, or nil
}

// Error is one line.
func (e *RegistryError) Error() string { return fmt.Sprintf("registry %s: %s", e.Host, e.Problem) }

// Hint says what the user can do, or is "".
func (e *RegistryError) Hint() string { return e.Advice }

// Unwrap returns the transport's error, so that errors.Is finds its sentinels.
func (e *RegistryError) Unwrap() error { return e.Err }

// DaemonError says that a Docker daemon refused, failed or could not be reached.
type DaemonError struct {
	Host string // as DOCKER_HOST has it
	// Status is the HTTP status, or 0 where there was no answer.
	Status  int
	Problem string
	Advice  string
	Err     error // the connection's, or nil
}

// Error is one line.
func (e *DaemonError) Error() string {
	return fmt.Sprintf("Docker daemon at %s: %s", e.Host, e.Problem)
}

// Hint says what the user can do, or is "".
func (e *DaemonError) Hint() string { return e.Advice }

// Unwrap returns the connection's error.
func (e *DaemonError) Unwrap() error { return e.Err }

// prefixed returns text after prefix, or nothing when there is no text.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// listed joins names, the first maxListed of them.
func listed(names []string) string {
	names = slices.Clone(names)
	for i := range names {
		names[i] = oneLine(names[i])
	}
	if len(names) <= maxListed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
}

// titled names a document in messages.
func titled(kind string, h v1.Hash) string {
	if h == (v1.Hash{}) {
		return kind
	}
	return kind + " " + h.String()
}
