package sums

import (
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"
)

// maxSerialFile bounds a file that tells a serial, in bytes.
const maxSerialFile = 4096

// SerialFile is the file of a commit that tells the serial of a distributor's
// build: its date, with a point and a number for the second of a day.
type SerialFile struct {
	// Where is RepositoryRoot or BesideTarball; for the latter the archive lies
	// in the context's own folder.
	Where Place
	// File is its name; "" where a distributor has none.
	File string
	// Key stands before "=" on the line with the serial; "" for a file that is
	// nothing else.
	Key string
}

var (
	serialForm = regexp.MustCompile(`^[0-9]{8}(\.[0-9]{1,4})?$`)
	serialPart = regexp.MustCompile(`(?:^|-)([0-9]{8}(?:\.[0-9]{1,4})?)(?:-|$)`)
)

// SerialIn returns the serial that a tag holds, such as "20210804" of
// "xenial-20210804" or "bookworm-20211220-slim"; "" for none.
func SerialIn(tag string) string {
	m := serialPart.FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return m[1]
}

// SerialAt returns the serial that a commit says it holds, given its root and
// the folder of the build context; "" where it says none.
func (d Distributor) SerialAt(root fs.FS, directory string) string {
	name := d.Serial.File
	if name == "" {
		return ""
	}
	if d.Serial.Where == BesideTarball {
		name = path.Join(directory, name)
	}
	f, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSerialFile+1))
	if err != nil || len(text) > maxSerialFile {
		return ""
	}
	return readSerial(string(text), d.Serial.Key)
}

func readSerial(text, key string) string {
	for line := range strings.Lines(text) {
		value := strings.TrimSpace(line)
		if key != "" {
			var ok bool
			if value, ok = strings.CutPrefix(value, key+"="); !ok {
				continue
			}
		}
		if !serialForm.MatchString(value) {
			return ""
		}
		return value
	}
	return ""
}
