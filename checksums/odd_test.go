package checksums

import (
	"fmt"
	"strings"
	"testing"
)

func TestOddNamesWhatUnpackingCouldActOn(t *testing.T) {
	// A header's names of user and group stand at 265 and 297, behind magic.
	owned := func(user, group, uid string) string {
		pad := func(s string, n int) string { return s + strings.Repeat("\x00", n-len(s)) }
		return header{name: "f", typ: '0', uid: uid, magic: "ustar\x0000" + pad(user, 32) + pad(group, 32)}.with("")
	}
	file := func(name string) string { return header{name: name, typ: '0'}.with("") }
	dir := func(name string) string { return header{name: name, typ: '5'}.with("") }
	hard := func(link string) string { return header{name: "h", typ: '1', link: link}.with("") }
	records := func(r ...string) string { return pax('x', r...) + file("f") }
	var many []string
	for i := range maxOddWords + 1 {
		many = append(many, fmt.Sprintf("k%02d=1", i))
	}
	long := strings.Repeat("k", maxOddKey)
	for name, test := range map[string]struct{ tar, want string }{
		"a plain name":                          {file("a/b"), ""},
		"a name after ./":                       {file("./a/b"), ""},
		"a directory with a slash":              {dir("a/"), ""},
		"a directory without one":               {dir("a"), ""},
		"the root":                              {dir("./"), ""},
		"the root without a slash":              {dir("."), ""},
		"no name":                               {file(""), "name"},
		"a directory called nothing":            {dir("/"), "name"},
		"an absolute name":                      {file("/bin/x"), "name"},
		"an absolute name behind ./":            {file(".//bin/x"), "name"},
		"./ twice":                              {file("././x"), "name"},
		"a way through what may not exist":      {file("nowhere/../bin/busybox"), "name"},
		"two slashes":                           {file("a//b"), "name"},
		"two slashes behind a directory":        {dir("a//"), "name"},
		"a file with a slash":                   {file("a/"), "name"},
		"a link with a slash":                   {header{name: "s/", typ: '2', link: "x"}.with(""), "name"},
		"a dot":                                 {file("a/./b"), "name"},
		"a symbolic link's target, as it likes": {header{name: "s", typ: '2', link: "/a//../b/"}.with(""), ""},
		"a hard link":                           {hard("a/b"), ""},
		"a hard link after ./":                  {hard("./a/b"), ""},
		"a hard link to an absolute name":       {hard("/a/b"), "link"},
		"a hard link by way of elsewhere":       {hard("x/../a"), "link"},
		"a link with content":                   {string(header{name: "h", typ: '1', link: "f", size: 512}.block()), "size"},
		"a contiguous file":                     {header{name: "f", typ: '7'}.with(""), "contiguous"},
		"root's names":                          {owned("root", "root", ""), ""},
		"names of the builder's machine":        {owned("builder", "root", "0001750\x00"), ""},
		"root for another number":               {owned("root", "root", "0001750\x00"), "uname"},
		"others for 0":                          {owned("bin", "bin", ""), "gname,uname"},
		"root for another number, by a record":  {pax('x', "uname=root", "uid=7") + file("f"), "uname"},
		"records that fields hold":              {records("path=a", "size=0", "uid=1", "gid=1", "mtime=1", "atime=1", "ctime=1", "SCHILY.xattr.user.a=1"), ""},
		"an empty attribute":                    {records("SCHILY.xattr.user.a="), ""},
		"an empty field":                        {records("path="), "pax:path"},
		"access control lists":                  {records("SCHILY.acl.access=x", "SCHILY.acl.default=y"), "acl"},
		"holes of an unknown version":           {records("GNU.sparse.major=9"), "sparse"},
		"other programs' records":               {records("LIBARCHIVE.xattr.user.a=1", "RHT.security.selinux=x", "SCHILY.fflags=immutable"), "pax:LIBARCHIVE.xattr.user.a,pax:RHT.security.selinux,pax:SCHILY.fflags"},
		"a hostile key":                         {records("a,b\n\x1b[m\xff=1"), `pax:a\x2cb\n\x1b[m\xff`},
		"the longest key":                       {records(long + "=1"), "pax:" + long},
		"a longer key":                          {records(long + "k=1"), "pax:" + long + "…"},
		"many keys":                             {records(many[:maxOddWords]...), "pax:" + strings.ReplaceAll(strings.Join(many[:maxOddWords], ",pax:"), "=1", "")},
		"more keys":                             {records(many...), "pax:" + strings.ReplaceAll(strings.Join(many[:maxOddWords], ",pax:"), "=1", "") + ",…"},
		"a global header":                       {pax('g', "comment=x"), ""},
	} {
		got, _, err := indexOf(t, archive(test.tar), Limits{})
		if err != nil || len(got) != 1 || got[0].Odd != test.want {
			t.Errorf("%s: got %+v, %v; want %q", name, got, err, test.want)
		}
	}
}
