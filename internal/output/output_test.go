package output_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
	"github.com/imageverify/verify/internal/output/outputtest"
	"github.com/imageverify/verify/internal/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew)\n--- got\n%s\n--- want\n%s", path, got, want)
	}
}

func render(t *testing.T, f output.Format, r *verify.Report, s output.Style) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := output.Write(&buf, f, r, s); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

var styles = []struct {
	name  string
	style output.Style
}{
	{"80", output.Style{Width: 80}},
	{"60", output.Style{Width: 60}},
	{"120-color", output.Style{Width: 120, Color: true}},
	{"0", output.Style{}},
	{"100-verbose", output.Style{Width: 100, Verbose: true}},
	{"quiet", output.Style{Quiet: true}},
}

func TestTextIsAsInTheGoldenFiles(t *testing.T) {
	for _, f := range fixtures {
		for _, s := range styles {
			t.Run(f.name+" "+s.name, func(t *testing.T) {
				golden(t, f.name+"."+s.name+".txt", render(t, output.Text, f.make(), s.style))
			})
		}
	}
}

func TestJSONIsAsInTheGoldenFiles(t *testing.T) {
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			got := render(t, output.JSON, f.make(), output.Style{Width: 40, Color: true, Quiet: true})
			if err := schema.Validate(got); err != nil {
				t.Error(err)
			}
			golden(t, f.name+".json", got)
		})
	}
}

func TestErrorsAreAsInTheGoldenFiles(t *testing.T) {
	plain := &verify.RunError{Code: "not-found", Message: "oci:nowhere: no such directory", Hint: "give a directory that holds an OCI layout\n\nor a reference of a registry, as in alpine:3.20.3, which is then asked for it", Input: "oci:nowhere"}
	bad := &verify.RunError{Code: nasty, Message: nasty, Hint: nasty, Input: nasty}
	for name, e := range map[string]*verify.RunError{"error": plain, "error-hostile": bad} {
		for _, f := range []output.Format{output.Text, output.JSON} {
			var buf bytes.Buffer
			if err := output.WriteError(&buf, f, e, output.Style{Width: 60}); err != nil {
				t.Fatal(err)
			}
			outputtest.CheckSafe(t, buf.Bytes())
			if f == output.JSON {
				if err := schema.Validate(buf.Bytes()); err != nil {
					t.Error(err)
				}
			}
			golden(t, name+"."+string(f), buf.Bytes())
		}
	}
}

func TestAnErrorIsOneLineAndItsHintFurtherOnes(t *testing.T) {
	var buf bytes.Buffer
	e := &verify.RunError{Code: "timeout", Message: strings.Repeat("long ", 30) + "end", Hint: "first\nsecond"}
	if err := output.WriteError(&buf, output.Text, e, output.Style{Width: 40}); err != nil {
		t.Fatal(err)
	}
	want := "verify: " + strings.Repeat("long ", 30) + "end\n  first\n  second\n"
	if buf.String() != want {
		t.Errorf("got %q, want %q", buf.String(), want)
	}
}

func TestFormatsAreTextAndJSON(t *testing.T) {
	if got := fmt.Sprint(output.Formats()); got != "[text json]" {
		t.Errorf("formats %s", got)
	}
}

func TestAnUnknownFormatWritesNothingAndSaysWhichThereAre(t *testing.T) {
	const want = `no such format: "yaml"; the formats are text, json`
	var buf bytes.Buffer
	for name, err := range map[string]error{
		"report": output.Write(&buf, "yaml", verified(), output.Style{}),
		"error":  output.WriteError(&buf, "yaml", &verify.RunError{}, output.Style{}),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if buf.Len() > 0 {
		t.Errorf("wrote %q", buf.String())
	}
}

var errFull = errors.New("no space left on device")

// fullDisk takes n bytes.
type fullDisk struct{ n int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) > d.n {
		return d.n, errFull
	}
	d.n -= len(p)
	return len(p), nil
}

// shortWriter takes less than it is given and does not say so.
type shortWriter struct{}

func (shortWriter) Write(p []byte) (int, error) { return len(p) - 1, nil }

func TestAWriterThatFailsIsReportedInEveryFormat(t *testing.T) {
	for _, f := range output.Formats() {
		for _, style := range styles {
			size := len(render(t, output.Format(f), verified(), style.style))
			for _, room := range []int{0, 1, size - 1} {
				if err := output.Write(&fullDisk{room}, output.Format(f), verified(), style.style); !errors.Is(err, errFull) {
					t.Errorf("%s %s, room for %d of %d bytes: %v", f, style.name, room, size, err)
				}
			}
			if err := output.Write(&fullDisk{size}, output.Format(f), verified(), style.style); err != nil {
				t.Errorf("%s %s, room for all: %v", f, style.name, err)
			}
		}
		if err := output.Write(shortWriter{}, output.Format(f), verified(), output.Style{}); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%s, short write: %v", f, err)
		}
		if err := output.WriteError(&fullDisk{3}, output.Format(f), &verify.RunError{Message: "m"}, output.Style{}); !errors.Is(err, errFull) {
			t.Errorf("%s, error document: %v", f, err)
		}
	}
}
