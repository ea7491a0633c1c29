package packages

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const status = `Package: hello
Status: install ok installed
Architecture: amd64
Version: 2.10-3
Description: greets
 Package: not-a-field
 .

Package: hello
Status: install ok installed
Architecture: i386
Version: 2.10-3

Package: gone
Status: deinstall ok config-files
Version: 1
`

const installed = "C:Q1x=\nP:busybox\nV:1.36.1-r29\nF:bin\nR:busybox\na:0:0:755\nR:sh\nF:etc\nF:etc/logrotate.d\nR:acpid\n\nP:musl\nV:1.2.5-r0\nF:lib\nR:ld-musl-x86_64.so.1\n\n"

func TestDpkgListsWhatIsInstalled(t *testing.T) {
	want := map[string]string{"hello": "2.10-3", "hello:i386": "2.10-3"}
	if got := Dpkg([]byte(status)); !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestDpkgFilesHaveNoLeadingSlash(t *testing.T) {
	got := DpkgFiles([]byte("/.\n/usr\n/usr/bin/hello\n../../etc/passwd\n\n"))
	if want := []string{"usr", "usr/bin/hello", "etc/passwd"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestAPackageIsListedUnderItsNameOrWithItsArchitecture(t *testing.T) {
	if got := DpkgLists("libc6"); got[0] != DpkgInfo+"libc6.list" || !slices.Contains(got, DpkgInfo+"libc6:amd64.list") {
		t.Errorf("got %q", got)
	}
	if got, want := DpkgLists("libc6:i386"), []string{DpkgInfo + "libc6:i386.list", DpkgInfo + "libc6.list"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestApkListsVersionsAndFiles(t *testing.T) {
	versions, owners := Apk([]byte(installed))
	if want := map[string]string{"busybox": "1.36.1-r29", "musl": "1.2.5-r0"}; !maps.Equal(versions, want) {
		t.Errorf("got %v", versions)
	}
	want := map[string]string{"bin/busybox": "busybox", "bin/sh": "busybox", "etc/logrotate.d/acpid": "busybox", "lib/ld-musl-x86_64.so.1": "musl"}
	if !maps.Equal(owners, want) {
		t.Errorf("got %v", owners)
	}
}

func TestChangesAreVersionsThatDifferAndPackagesThatAreAbsent(t *testing.T) {
	got := Changes(map[string]string{"a": "1", "b": "1", "c": "1"}, map[string]string{"a": "1", "b": "2", "d": "1"})
	if want := []Change{{"b", "1", "2"}, {"c", "1", ""}, {"d", "", "1"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if got := Changes(nil, nil); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestTheNumberOfPackagesIsBounded(t *testing.T) {
	var dpkg, apk strings.Builder
	for i := range MaxPackages + 1 {
		name := "p" + strconv.Itoa(i)
		dpkg.WriteString("Package: " + name + "\nStatus: install ok installed\nVersion: 1\n\n")
		apk.WriteString("P:" + name + "\nV:1\n\n")
	}
	if n := len(Dpkg([]byte(dpkg.String()))); n != MaxPackages {
		t.Errorf("dpkg: %d", n)
	}
	if versions, _ := Apk([]byte(apk.String())); len(versions) != MaxPackages {
		t.Errorf("apk: %d", len(versions))
	}
}

// FuzzDatabases: whatever the bytes, the readers end, and no path leads out.
func FuzzDatabases(f *testing.F) {
	f.Add([]byte(status))
	f.Add([]byte(installed))
	f.Add([]byte("P:a\nV:1\nF:../..\nR:../x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, version := range Dpkg(data) {
			if name == "" || version == "" {
				t.Errorf("%q %q", name, version)
			}
		}
		for _, name := range DpkgFiles(data) {
			if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "../") {
				t.Errorf("the path %q", name)
			}
		}
		versions, owners := Apk(data)
		for _, owner := range owners {
			if owner == "" || len(versions) == 0 {
				t.Errorf("an owner without a package")
			}
		}
	})
}
