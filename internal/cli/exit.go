package cli

import (
	"fmt"

	"github.com/imageverify/verify"
)

// The exit codes. docs/exit-codes.md explains them.
const (
	exitVerified   = 0 // every required check passes, or does not apply
	exitFailed     = 1 // some check fails, required or not
	exitNotRun     = 2 // could not run
	exitIncomplete = 3 // nothing fails, but a required check is unknown or warns
)

// exitCode ends the program with a code after its output has been written.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// codeOf is the exit code for a report: of several images 1 if any failed, else
// 2 if any could not be opened, else 3, else 0.
func codeOf(r *verify.Report) int {
	switch {
	case r.Verdict == verify.Failed:
		return exitFailed
	case len(r.Errors) > 0:
		return exitNotRun
	case r.Verdict != verify.Verified:
		return exitIncomplete
	}
	return exitVerified
}

// codeOfError is the exit code for an error that ended the run: bytes that are
// not those of their digest are a failure, everything else could not be run.
func codeOfError(e *verify.RunError) int {
	if e.Code == verify.CodeFalseBytes {
		return exitFailed
	}
	return exitNotRun
}

// usagef is an error of use.
func usagef(format string, args ...any) error {
	return &verify.RunError{Code: "usage", Message: fmt.Sprintf(format, args...), Hint: "verify --help shows the flags"}
}

// asksForJSON reports whether arguments that could not be parsed ask for JSON
// on stdout.
func asksForJSON(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "-ojson", "--output=json", "-o=json":
			return true
		case "-o", "--output":
			if i+1 < len(args) && args[i+1] == "json" {
				return true
			}
		}
	}
	return false
}
