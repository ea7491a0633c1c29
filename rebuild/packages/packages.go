// Package packages reads which packages are installed in a file tree, and which
// files are whose, from the databases that dpkg and apk keep there. Nothing is
// believed because a database says it: the answers only help to explain a
// difference that was found by other means.
package packages

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strings"
)

// DpkgStatus is dpkg's database, DpkgInfo the folder in which it lists files
// (dpkg(1), FILES).
const (
	DpkgStatus = "var/lib/dpkg/status"
	DpkgInfo   = "var/lib/dpkg/info/"
)

// ApkInstalled are the places of apk's database: up to Alpine 3.22, and since.
var ApkInstalled = []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}

// MaxPackages is how many packages are read of a database; real ones list some
// thousands.
const MaxPackages = 100_000

// IsDatabase reports whether a path is where dpkg or apk note what is installed.
func IsDatabase(name string) bool {
	return strings.HasPrefix(name, "var/lib/dpkg/") || strings.HasPrefix(name, "lib/apk/db/") || strings.HasPrefix(name, "usr/lib/apk/db/")
}

// Dpkg gives the versions of the packages that a status file lists as
// installed, by NAME or, for a package of another architecture than the first
// of its name, NAME:ARCHITECTURE. What cannot be read is left out.
func Dpkg(status []byte) map[string]string {
	out := map[string]string{}
	for paragraph := range paragraphs(status) {
		fields := fieldsOf(paragraph, ": ")
		name, version := fields["Package"], fields["Version"]
		if name == "" || version == "" || !strings.HasSuffix(fields["Status"], " installed") {
			continue
		}
		if _, twice := out[name]; twice {
			name += ":" + fields["Architecture"]
		}
		if out[name] = version; len(out) == MaxPackages {
			break
		}
	}
	return out
}

// DpkgLists are the names under which dpkg may list a package's files.
func DpkgLists(name string) []string {
	short, _, _ := strings.Cut(name, ":")
	var out []string
	for _, n := range slices.Compact([]string{name, short}) {
		out = append(out, DpkgInfo+n+".list")
	}
	if name == short {
		for _, arch := range []string{"amd64", "arm64", "armhf", "armel", "i386", "riscv64", "ppc64el", "s390x", "mips64el"} {
			out = append(out, DpkgInfo+name+":"+arch+".list")
		}
	}
	return out
}

// DpkgFiles are the paths in a list of files, without a leading slash.
func DpkgFiles(list []byte) []string {
	var out []string
	for line := range bytes.Lines(list) {
		if name := strings.TrimPrefix(path.Clean("/"+string(bytes.TrimRight(line, "\r\n"))), "/"); name != "" && name != "." {
			out = append(out, name)
		}
	}
	return out
}

// Apk gives the versions of the packages that a database of apk lists, and the
// package of each file (apk-installed(5): P, V, and R below F).
func Apk(installed []byte) (versions, owners map[string]string) {
	versions, owners = map[string]string{}, map[string]string{}
	for paragraph := range paragraphs(installed) {
		var name, version, folder string
		var files []string
		for line := range strings.Lines(paragraph) {
			key, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
			switch key {
			case "P":
				name = value
			case "V":
				version = value
			case "F":
				folder = value
			case "R":
				files = append(files, path.Join(folder, value))
			}
		}
		if name == "" || version == "" {
			continue
		}
		for _, f := range files {
			owners[f] = name
		}
		if versions[name] = version; len(versions) == MaxPackages {
			break
		}
	}
	return versions, owners
}

// paragraphs are the parts of a text between empty lines.
func paragraphs(text []byte) func(func(string) bool) {
	return func(yield func(string) bool) {
		for part := range bytes.SplitSeq(text, []byte("\n\n")) {
			if len(bytes.TrimSpace(part)) > 0 && !yield(string(part)) {
				return
			}
		}
	}
}

// fieldsOf are a paragraph's fields; what continues one counts for nothing.
func fieldsOf(paragraph, separator string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(paragraph) {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			continue
		}
		if key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), separator); ok {
			out[key] = value
		}
	}
	return out
}

// Change is a package that two trees have in different versions.
type Change struct {
	Name string
	// A and B are the versions, "" where that tree does not have it.
	A, B string
}

// Changes compares two databases, by name.
func Changes(a, b map[string]string) []Change {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	var out []Change
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if a[name] != b[name] {
			out = append(out, Change{name, a[name], b[name]})
		}
	}
	return out
}
