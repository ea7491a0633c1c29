package sums

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheSerialOfATagIsItsDate(t *testing.T) {
	for tag, want := range map[string]string{
		"xenial-20210804": "20210804", "bookworm-20211220-slim": "20211220", "resolute-20260811.1": "20260811.1",
		"20240807": "20240807", "3.20.3": "", "16.04": "", "x-2021080": "", "x-202108041": "", "x20210804": "", "": "",
		"20210804_1": "", "a-20210804.": "", "a-20210804.12345": "",
	} {
		if got := SerialIn(tag); got != want {
			t.Errorf("%q: %q, want %q", tag, got, want)
		}
	}
}

func TestACommitTellsItsSerial(t *testing.T) {
	beside := Distributor{Serial: SerialFile{Where: BesideTarball, File: "build-info.txt", Key: "SERIAL"}}
	root := Distributor{Serial: SerialFile{Where: RepositoryRoot, File: "serial"}}
	tests := []struct {
		name string
		d    Distributor
		file string
		text string
		want string
	}{
		{"beside the archive", beside, "xenial/build-info.txt", "SERIAL=20210804\n", "20210804"},
		{"among other lines", beside, "xenial/build-info.txt", "NAME=x\nSERIAL=20210804.1\n", "20210804.1"},
		{"at the root", root, "serial", "20211220\n", "20211220"},
		{"in another folder", beside, "bionic/build-info.txt", "SERIAL=20210804\n", ""},
		{"no date", beside, "xenial/build-info.txt", "SERIAL=../../x\n", ""},
		{"no key", beside, "xenial/build-info.txt", "20210804\n", ""},
		{"an empty file", root, "serial", "", ""},
		{"a long file", root, "serial", "20211220\n" + strings.Repeat("#", maxSerialFile), ""},
		{"a file of the bound", root, "serial", "20211220\n" + strings.Repeat("#", maxSerialFile-9), "20211220"},
		{"a distributor without one", Distributor{}, "serial", "20211220\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := fstest.MapFS{tt.file: {Data: []byte(tt.text)}}
			if got := tt.d.SerialAt(fsys, "xenial"); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
