package checksums

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// header is a tar header made by hand, field by field, so that it can be what
// no writer makes.
type header struct {
	name, link, prefix string
	typ                byte
	mode, size, mtime  int64
	uid, gid           string // as they stand in the header; "" is 0
	major, minor       int64
	magic              string // "" is POSIX's
	sparse             string // GNU's sparse map, from byte 386 on
}

func (h header) block() []byte {
	b := make([]byte, tarBlock)
	octal := func(at, width int, v int64) { copy(b[at:], fmt.Sprintf("%0*o\x00", width-1, v)) }
	copy(b, h.name)
	octal(100, 8, h.mode)
	octal(108, 8, 0)
	octal(116, 8, 0)
	copy(b[108:116], h.uid)
	copy(b[116:124], h.gid)
	octal(124, 12, h.size)
	octal(136, 12, h.mtime)
	b[156] = h.typ
	copy(b[157:257], h.link)
	magic := h.magic
	if magic == "" {
		magic = "ustar\x0000"
	}
	copy(b[257:], magic)
	if h.typ == '3' || h.typ == '4' {
		octal(329, 8, h.major)
		octal(337, 8, h.minor)
	}
	copy(b[345:], h.prefix)
	copy(b[386:], h.sparse)
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// with returns the header's block and content, padded.
func (h header) with(content string) string {
	h.size = int64(len(content))
	return string(h.block()) + padded(content)
}

func padded(s string) string { return s + strings.Repeat("\x00", -len(s)&(tarBlock-1)) }

// pax returns an extended header with the records, each "key=value".
func pax(typ byte, records ...string) string {
	var body strings.Builder
	for _, r := range records {
		n := len(r) + 3
		for len(fmt.Sprint(n))+len(r)+2 != n {
			n = len(fmt.Sprint(n)) + len(r) + 2
		}
		fmt.Fprintf(&body, "%d %s\n", n, r)
	}
	return header{name: "PaxHeaders/x", typ: typ}.with(body.String())
}

const (
	gnuMagic = "ustar  \x00"
	tarEnd   = "\x00END"
)

// archive joins parts; tarEnd stands for the end marker.
func archive(parts ...string) string {
	return strings.ReplaceAll(strings.Join(parts, ""), tarEnd, strings.Repeat("\x00", 2*tarBlock))
}

func indexOf(t testing.TB, tarball string, l Limits) ([]Entry, TarFacts, error) {
	t.Helper()
	b := NewBuilder(nil, l)
	defer b.Close()
	facts, err := IndexTar(context.Background(), strings.NewReader(tarball), b)
	if err != nil {
		return nil, facts, err
	}
	x, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	entries := entriesOf(t, x)
	slices.SortFunc(entries, func(a, b Entry) int { return a.Seq - b.Seq })
	return entries, facts, nil
}

var epoch = time.Unix(0, 0).UTC()

func TestEveryTarShapeIsIndexed(t *testing.T) {
	digest := func(s string) [32]byte { return sha256.Sum256([]byte(s)) }
	file := func(path, content string) Entry {
		return Entry{Path: path, Type: '0', Size: int64(len(content)), Digest: digest(content), ModTime: epoch}
	}
	odd := func(words string, e Entry) Entry { e.Odd = words; return e }
	deep := strings.Repeat("long/", 300) + "name"
	for name, test := range map[string]struct {
		tar  string
		want []Entry
	}{
		"an empty stream": {"", nil},
		"only an end":     {archive(tarEnd), nil},
		"a file": {
			archive(header{name: "./etc/passwd", typ: '0', mode: 0o100644, mtime: 7}.with("root"), tarEnd),
			[]Entry{{Path: "etc/passwd", Type: '0', Mode: 0o644, Size: 4, Digest: digest("root"), ModTime: time.Unix(7, 0).UTC()}}},
		"all mode bits, and no type bits": {
			archive(header{name: "f", typ: '0', mode: 0o107777}.with("")),
			[]Entry{{Path: "f", Type: '0', Mode: 0o7777, Digest: digest(""), ModTime: epoch}}},
		"the root": {
			archive(header{name: "./", typ: '5', mode: 0o755}.with("")),
			[]Entry{{Path: ".", Type: '5', Mode: 0o755, ModTime: epoch}}},
		"links": {
			archive(header{name: "s", typ: '2', link: "/../x//y"}.with(""), header{name: "h", typ: '1', link: "./a//b"}.with("")),
			[]Entry{{Path: "s", Type: '2', Link: "/../x//y", ModTime: epoch}, {Path: "h", Type: '1', Link: "a/b", ModTime: epoch, Seq: 1, Odd: "link"}}},
		"a hard link that declares a size, and has no content": {
			archive(string(header{name: "h", typ: '1', link: "f", size: 99}.block()), header{name: "f", typ: '0'}.with("x"), tarEnd),
			[]Entry{{Path: "h", Type: '1', Link: "f", ModTime: epoch, Odd: "size"}, {Path: "f", Type: '0', Size: 1, Digest: digest("x"), ModTime: epoch, Seq: 1}}},
		"devices and FIFOs": {
			archive(header{name: "c", typ: '3', major: 1, minor: 3}.with(""), header{name: "b", typ: '4', major: 8}.with(""), header{name: "p", typ: '6'}.with("")),
			[]Entry{
				{Path: "c", Type: '3', Devmajor: 1, Devminor: 3, ModTime: epoch},
				{Path: "b", Type: '4', Devmajor: 8, ModTime: epoch, Seq: 1},
				{Path: "p", Type: '6', ModTime: epoch, Seq: 2}}},
		"types of before POSIX": {
			archive(header{name: "f", typ: 0, magic: "\x00"}.with("x"), header{name: "d/", typ: 0, magic: "\x00"}.with("")),
			[]Entry{file("f", "x"), {Path: "d", Type: '5', ModTime: epoch, Seq: 1}}},
		"a contiguous file is a file": {
			archive(header{name: "f", typ: '7'}.with("x")), []Entry{odd("contiguous", file("f", "x"))}},
		"an unknown type keeps its content": {
			archive(header{name: "f", typ: 'V', magic: gnuMagic}.with("x")),
			[]Entry{{Path: "f", Type: 'V', Size: 1, Digest: digest("x"), ModTime: epoch}}},
		"a name with a prefix": {
			archive(header{name: "c", prefix: "a/b", typ: '0'}.with("")), []Entry{file("a/b/c", "")}},
		"names that lead out": {
			archive(header{name: "../../x", typ: '0'}.with(""), header{name: "/abs", typ: '0'}.with("")),
			[]Entry{file("../../x", ""), func() Entry { e := odd("name", file("abs", "")); e.Seq = 1; return e }()}},
		"a Windows layer's names and attributes": {
			archive(pax('x', "path=Files\\a", "MSWINDOWS.fileattr=32"), header{name: "x", typ: '0'}.with("")),
			[]Entry{odd("pax:MSWINDOWS.fileattr", file("Files\\a", ""))}},
		"numbers in base 256": {
			archive(header{name: "f", typ: '0', magic: gnuMagic, uid: "\x80\x00\x00\x00\x00\x20\x00\x00", gid: "\xff\xff\xff\xff\xff\xff\xff\xff"}.with("")),
			[]Entry{{Path: "f", Type: '0', UID: 1 << 21, GID: -1, Digest: digest(""), ModTime: epoch}}},
		"GNU long names": {
			archive(header{name: "././@LongLink", typ: 'L', magic: gnuMagic}.with(deep+"\x00"),
				header{name: "././@LongLink", typ: 'K', magic: gnuMagic}.with("../"+deep+"\x00"),
				header{name: "short", typ: '2', magic: gnuMagic}.with("")),
			[]Entry{{Path: deep, Type: '2', Link: "../" + deep, ModTime: epoch}}},
		"PAX records": {
			archive(pax('x', "path="+deep+"/", "uid=4294967294", "gid=5", "mtime=1.25", "SCHILY.xattr.security.capability=\x01\x00\n=", "SCHILY.xattr.user.e="),
				header{name: "x", typ: '5'}.with("")),
			[]Entry{{Path: deep, Type: '5', UID: 4294967294, GID: 5, ModTime: time.Unix(1, 250e6).UTC(),
				Xattrs: map[string]string{"security.capability": "\x01\x00\n=", "user.e": ""}}}},
		"a PAX size": {
			archive(pax('x', "size=3"), string(header{name: "f", typ: '0'}.block()), padded("abc"), tarEnd), []Entry{file("f", "abc")}},
		"a PAX size of a hard link, without content": {
			archive(pax('x', "size=3"), string(header{name: "h", typ: '1', link: "f"}.block()), tarEnd),
			[]Entry{{Path: "h", Type: '1', Link: "f", ModTime: epoch, Odd: "size"}}},
		"a global header": {
			archive(string(pax('g', "comment=0123")), header{name: "f", typ: '0'}.with("")),
			[]Entry{{Path: "PaxHeaders/x", Type: 'g', ModTime: time.Time{}.Add(1)}, func() Entry { e := file("f", ""); e.Seq = 1; return e }()}},
		"a GNU sparse file": {
			archive(string(header{name: "f", typ: 'S', magic: gnuMagic, size: 2,
				sparse: "00000000003\x0000000000002\x00" + strings.Repeat("\x00", 72) + "\x00" + "00000000010\x00"}.block()), padded("ab"), tarEnd),
			[]Entry{odd("sparse", file("f", "\x00\x00\x00ab\x00\x00\x00"))}},
		"a PAX sparse file (1.0)": {
			archive(pax('x', "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=real", "GNU.sparse.realsize=6"),
				string(header{name: "GNUSparseFile.0/real", typ: '0', size: tarBlock + 1}.block()), padded("1\n3\n1\n"), padded("x"), tarEnd),
			[]Entry{odd("sparse", file("real", "\x00\x00\x00x\x00\x00"))}},
		"a time of the year 1 is a time": {
			archive(pax('x', "mtime=-62135596800"), header{name: "f", typ: '0'}.with("")),
			[]Entry{{Path: "f", Type: '0', Digest: digest(""), ModTime: time.Time{}.Add(1)}}},
		"no end marker": {
			header{name: "f", typ: '0'}.with("x"), []Entry{file("f", "x")}},
		"half an end marker": {
			header{name: "f", typ: '0'}.with("x") + strings.Repeat("\x00", tarBlock), []Entry{file("f", "x")}},
		"padding that is not zero": {
			string(header{name: "f", typ: '0', size: 1}.block()) + "x" + strings.Repeat("?", tarBlock-1) + archive(tarEnd), []Entry{file("f", "x")}},
	} {
		got, facts, err := indexOf(t, test.tar, Limits{})
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, test.want)
		}
		if facts.Trailing || facts.Entries != len(test.want) {
			t.Errorf("%s: facts %+v", name, facts)
		}
	}
}

func TestBytesBehindTheEndMarkerAreNoticed(t *testing.T) {
	file := header{name: "f", typ: '0'}.with("x")
	zeros := strings.Repeat("\x00", 100_000)
	for name, test := range map[string]struct {
		tar  string
		want bool
	}{
		"nothing":                   {archive(file, tarEnd), false},
		"zeros":                     {archive(file, tarEnd, zeros), false},
		"a byte at once":            {archive(file, tarEnd, "x"), true},
		"a byte after many zeros":   {archive(file, tarEnd, zeros, "x", zeros), true},
		"a second archive":          {archive(file, tarEnd, file, tarEnd), true},
		"an empty archive's second": {archive(tarEnd, file), true},
	} {
		_, facts, err := indexOf(t, test.tar, Limits{})
		if err != nil || facts.Trailing != test.want {
			t.Errorf("%s: %+v, %v; want trailing %v", name, facts, err, test.want)
		}
	}
}

func TestACutOrDamagedTarIsAnError(t *testing.T) {
	file := header{name: "f", typ: '0'}.with(strings.Repeat("x", 1000))
	broken := []byte(file)
	broken[0] ^= 1
	for name, test := range map[string]struct {
		tar  string
		want error
		seen int
	}{
		"in the first header":             {file[:100], io.ErrUnexpectedEOF, 0},
		"in a content":                    {file[:tarBlock+999], io.ErrUnexpectedEOF, 0},
		"right behind a header":           {file[:tarBlock], io.ErrUnexpectedEOF, 0},
		"in the second header":            {file + file[:511], io.ErrUnexpectedEOF, 1},
		"in the end marker":               {file + strings.Repeat("\x00", 700), io.ErrUnexpectedEOF, 1},
		"in an extended header":           {file + pax('x', "path=y")[:515], io.ErrUnexpectedEOF, 1},
		"behind an extended header":       {file + pax('x', "path=y"), io.ErrUnexpectedEOF, 1},
		"behind an empty extended header": {file + pax('x'), io.ErrUnexpectedEOF, 1},
		"behind a GNU long name":          {header{name: "L", typ: 'L', magic: gnuMagic}.with("y"), io.ErrUnexpectedEOF, 0},
		"an end in place of the file":     {archive(pax('x', "path=y"), tarEnd), io.ErrUnexpectedEOF, 0},
		"a flipped bit in a header":       {string(broken), tar.ErrHeader, 0},
		"a header after half an end":      {file + strings.Repeat("\x00", tarBlock) + file, tar.ErrHeader, 1},
		"no tar at all":                   {strings.Repeat("text ", 300), tar.ErrHeader, 0},
		"a sparse map out of order": {archive(pax('x', "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=f", "GNU.sparse.realsize=6"),
			string(header{name: "f", typ: '0', size: tarBlock + 1}.block()), padded("1\n9\n1\n"), padded("x")), tar.ErrHeader, 0},
	} {
		_, facts, err := indexOf(t, test.tar, Limits{})
		if !errors.Is(err, test.want) || facts.Entries != test.seen {
			t.Errorf("%s: %v after %d entries; want %v after %d", name, err, facts.Entries, test.want, test.seen)
		}
	}
}

func TestTarLimitsHoldOnBothSides(t *testing.T) {
	file := func(name, content string) string { return header{name: name, typ: '0'}.with(content) }
	// 1 TiB of nothing in 1 KiB of archive.
	sparse := archive(pax('x', "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.name=f", "GNU.sparse.realsize=1099511627776"),
		string(header{name: "f", typ: '0', size: tarBlock}.block()), padded("0\n"))
	l := Limits{Unpacked: 10, Entries: 2, PathBytes: 4}
	for name, test := range map[string]struct {
		limits   Limits
		in, over string
		want     LimitError
	}{
		"entries": {l, file("a", "") + file("b", ""), file("a", "") + file("b", "") + file("c", ""), LimitError{"entries", 2}},
		"path":    {l, file("./abcd", ""), file("abcde", ""), LimitError{"bytes in a path", 4}},
		"content": {l, file("a", "12345") + file("b", "12345"), file("a", "12345") + file("b", "123456"), LimitError{"bytes of content", 10}},
		"sparse":  {Limits{}, "", sparse, LimitError{"bytes of content", DefaultUnpacked}},
	} {
		if _, _, err := indexOf(t, test.in, test.limits); err != nil {
			t.Errorf("%s, inside: %v", name, err)
		}
		var got *LimitError
		if _, _, err := indexOf(t, test.over, test.limits); !errors.As(err, &got) || *got != test.want {
			t.Errorf("%s, outside: %v, want %v", name, err, &test.want)
		}
	}
}

func TestIndexTarEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := IndexTar(ctx, strings.NewReader(archive(tarEnd)), NewBuilder(nil, Limits{}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestOneBuilderTakesSeveralArchives(t *testing.T) {
	b := NewBuilder(nil, Limits{})
	for range 2 {
		if _, err := IndexTar(context.Background(), strings.NewReader(header{name: "f", typ: '0'}.with("x")), b); err != nil {
			t.Fatal(err)
		}
	}
	x, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if got := entriesOf(t, x); len(got) != 2 || got[1].Seq != 1 {
		t.Errorf("got %+v", got)
	}
}

func checkOdd(t *testing.T, h *tar.Header, e Entry) {
	plain := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
	if e.Type != 'g' && e.Odd == "" && plain != e.Path && e.Path != "." {
		t.Errorf("%q became %q, and nothing is odd", h.Name, e.Path)
	}
	if len(e.Odd) > (maxOddWords+1)*(maxOddKey*10+10) || e.Odd != "" && strings.ContainsAny(e.Odd, "\n\x1b\x00") {
		t.Errorf("odd: %q", e.Odd)
	}
}

// The law: what archive/tar reads to the end with the same headers, in the same
// order, is what is indexed; where it fails, indexing fails. What has nothing
// odd has its plain name, and what is odd is told within bounds.
func FuzzIndexTar(f *testing.F) {
	f.Add([]byte(archive(header{name: "a/f", typ: '0'}.with("content"), header{name: "l", typ: '2', link: "a"}.with(""), tarEnd)))
	f.Add([]byte(archive(pax('x', "path=b", "SCHILY.xattr.user.a=1", "mtime=1.5"), header{name: "x", typ: '0'}.with("x"))))
	f.Add([]byte(archive(header{name: "L", typ: 'L', magic: gnuMagic}.with("name\x00"), header{name: "x", typ: 0, magic: gnuMagic}.with(""))))
	f.Add([]byte(archive(pax('g', "comment=x"), tarEnd, "trailing")))
	f.Add([]byte(archive(pax('x', "SCHILY.acl.access=x", "a,\n=b", "uname=root", "uid=1"), header{name: "/a//../b", typ: '1', link: "./x", size: 9}.with(""))))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := Limits{Unpacked: 1 << 20, Entries: 100, PathBytes: 1 << 20}
		b := NewBuilder(nil, l)
		defer b.Close()
		facts, err := IndexTar(context.Background(), bytes.NewReader(data), b)
		tr := tar.NewReader(bytes.NewReader(data))
		for i := range facts.Entries {
			h, tarErr := tr.Next()
			if tarErr != nil && !errors.Is(tarErr, tar.ErrInsecurePath) {
				t.Fatalf("entry %d was indexed, and archive/tar says %v", i, tarErr)
			}
			if e := EntryFromHeader(h); e.Path != CleanPath(e.Path) || e.Size < 0 {
				t.Fatalf("entry %d: %+v", i, e)
			} else {
				checkOdd(t, h, e)
			}
		}
		if err != nil {
			return
		}
		if _, tarErr := tr.Next(); tarErr != io.EOF {
			t.Fatalf("indexed without an error, and archive/tar says %v", tarErr)
		}
		x, err := b.Finish()
		if err != nil || x.Len() != facts.Entries {
			t.Fatalf("finish: %v, %d of %d entries", err, x.Len(), facts.Entries)
		}
	})
}
