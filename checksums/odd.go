package checksums

import (
	"archive/tar"
	"slices"
	"strconv"
	"strings"
)

const (
	// aclPrefix is how PAX records name access control lists.
	aclPrefix = "SCHILY.acl."
	// sparsePrefix is how PAX records tell where a sparse file has holes.
	sparsePrefix = "GNU.sparse."
	// maxOddWords and maxOddKey bound what foreign keys add to an entry: a
	// header of 1 MiB has room for a hundred thousand.
	maxOddWords = 16
	maxOddKey   = 64
)

// isPlainKey reports whether a PAX record is one that an entry's fields hold,
// or judge, or that says nothing of what is unpacked.
func isPlainKey(key string) bool {
	switch key {
	case "path", "linkpath", "size", "uid", "gid", "uname", "gname", "mtime", "atime", "ctime":
		return true
	}
	return false
}

// odd returns what Entry.Odd holds for a header.
func odd(h *tar.Header) string {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return ""
	}
	var w oddWords
	typ := entryType(h)
	w.add("name", !canonicalName(h.Name, typ == tar.TypeDir))
	w.add("link", typ == tar.TypeLink && !canonicalName(h.Linkname, false))
	w.add("size", !hasContent(typ) && h.Size != 0)
	w.add("uname", namesOther(h.Uname, h.Uid))
	w.add("gname", namesOther(h.Gname, h.Gid))
	w.add("contiguous", h.Typeflag == tar.TypeCont)
	w.add("sparse", h.Typeflag == tar.TypeGNUSparse)
	for key, value := range h.PAXRecords {
		w.add(oddRecord(key, value))
	}
	return w.String()
}

// canonicalName reports whether a name is as builders write it: clean, with
// "./" in front at most, and with one slash behind only for a directory.
func canonicalName(name string, dir bool) bool {
	if dir {
		if name == "." || name == "./" {
			return true
		}
		name = strings.TrimSuffix(name, "/")
	}
	return strings.TrimPrefix(name, "./") == CleanPath(name) && name != ""
}

// namesOther reports whether a user's or group's name would give a file to root
// that the number does not, or take it from root. Docker's builders write the
// names that the numbers have on their own machine, whatever they are; only
// root is 0 everywhere.
func namesOther(name string, id int) bool {
	return name != "" && (name == "root") != (id == 0)
}

// oddRecord returns the word for a PAX record, and whether it is odd. Readers
// do not agree on what an empty value of a field stands for.
func oddRecord(key, value string) (string, bool) {
	switch {
	case strings.HasPrefix(key, xattrPrefix), isPlainKey(key) && value != "":
		return "", false
	case strings.HasPrefix(key, aclPrefix):
		return "acl", true
	case strings.HasPrefix(key, sparsePrefix):
		return "sparse", true
	}
	return "pax:" + printableKey(key), true
}

// printableKey makes a foreign key short, and leaves no comma in it.
func printableKey(key string) string {
	if len(key) > maxOddKey {
		key = key[:maxOddKey] + "…"
	}
	if !strings.ContainsFunc(key, isSpecial) {
		return key
	}
	quoted := strconv.QuoteToGraphic(key)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], ",", `\x2c`)
}

func isSpecial(r rune) bool {
	return r <= ' ' || r > '~' || r == ',' || r == '"' || r == '\\'
}

// oddWords is sorted and holds each word once, one more than are told at most.
type oddWords []string

// add takes a word if it is odd. Of words from a map in random order, the same
// ones stay whatever that order is.
func (w *oddWords) add(word string, odd bool) {
	if !odd {
		return
	}
	i, found := slices.BinarySearch(*w, word)
	if found || i > maxOddWords {
		return
	}
	*w = slices.Insert(*w, i, word)
	*w = (*w)[:min(len(*w), maxOddWords+1)]
}

func (w oddWords) String() string {
	if len(w) > maxOddWords {
		w[maxOddWords] = "…"
	}
	return strings.Join(w, ",")
}
