package sums

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestListsSayWhereTheyLieAndWhatTheyCallTheArchive(t *testing.T) {
	for _, c := range []struct {
		label, repository, directory, archive string
		list, name, signature                 string
		signedIndependent                     bool
	}{
		{"Canonical", "https://github.com/tianon/docker-brew-ubuntu-core.git", "xenial", "ubuntu-xenial-core-cloudimg-amd64-root.tar.gz",
			"xenial/SHA256SUMS", "ubuntu-xenial-core-cloudimg-amd64-root.tar.gz", "xenial/SHA256SUMS.gpg", true},
		{"Canonical on Launchpad", "https://git.launchpad.net/cloud-images/+oci/ubuntu-base", "", "ubuntu-jammy-oci-arm64-root.tar.gz",
			"SHA256SUMS", "ubuntu-jammy-oci-arm64-root.tar.gz", "SHA256SUMS.gpg", true},
		{"Alpine", "https://github.com/alpinelinux/docker-alpine", "x86_64", "alpine-minirootfs-3.20.3-x86_64.tar.gz",
			"checksums.sha512", "x86_64/alpine-minirootfs-3.20.3-x86_64.tar.gz", "", false},
		{"Debian", "git@github.com:debuerreotype/docker-debian-artifacts.git", "bookworm", "slim/rootfs.tar.xz",
			"bookworm/slim/rootfs.tar.xz.sha256", "rootfs.tar.xz", "", false},
		{"openSUSE", "https://github.com/openSUSE/docker-containers-build.git", "x86_64", "openSUSE-Leap-42.3.base.x86_64.tar.xz",
			"x86_64/openSUSE-Leap-42.3.base.x86_64.tar.xz.sha256", "openSUSE-Leap-42.3.base.x86_64.tar.xz", "", false},
	} {
		d, ok := Find(c.repository)
		if !ok {
			t.Errorf("%s: not found", c.label)
			continue
		}
		l, ok := d.ListOf(c.archive)
		if !ok || l.Path(c.directory, c.archive) != c.list || l.Name(c.directory, c.archive) != c.name ||
			l.SignaturePath(c.directory, c.archive) != c.signature || l.Independent || l.IndependentIfSigned != c.signedIndependent {
			t.Errorf("%s: %+v: %s, %s, %s", c.label, l, l.Path(c.directory, c.archive), l.Name(c.directory, c.archive), l.SignaturePath(c.directory, c.archive))
		}
		if _, _, ok := l.URLs(c.archive, ""); ok {
			t.Errorf("%s: a list in the commit has an address", c.label)
		}
	}
}

func TestABareDigestSpeaksOfItsOwnArchiveOnly(t *testing.T) {
	d, _ := Find("https://github.com/debuerreotype/docker-debian-artifacts")
	for _, archive := range []string{"other.tar.xz", "rootfs.tar.xz.tar", "rootfs.tar.gz"} {
		if l, ok := d.ListOf(archive); ok {
			t.Errorf("%s: %+v", archive, l)
		}
	}
}

func TestPublishedListsHaveAddresses(t *testing.T) {
	ubuntu, _ := Find("https://github.com/tianon/docker-brew-ubuntu-core")
	alpine, _ := Find("https://github.com/alpinelinux/docker-alpine")
	for _, c := range []struct {
		d                       Distributor
		archive, serial         string
		list, signature, signed string
	}{
		{ubuntu, "ubuntu-xenial-core-cloudimg-amd64-root.tar.gz", "20210804", "https://partner-images.canonical.com/core/xenial/20210804/SHA256SUMS", ".gpg", "list"},
		{ubuntu, "jammy/ubuntu-jammy-oci-arm64-root.tar.gz", "20220801", "https://partner-images.canonical.com/oci/jammy/20220801/SHA256SUMS", ".gpg", "list"},
		{ubuntu, "trusty-server-cloudimg-amd64-root.tar.gz", "20140204.1", "https://cloud-images.ubuntu.com/trusty/20140204.1/SHA256SUMS", ".gpg", "list"},
		{alpine, "x86_64/alpine-minirootfs-3.20.3-x86_64.tar.gz", "", "https://dl-cdn.alpinelinux.org/alpine/v3.20/releases/x86_64/alpine-minirootfs-3.20.3-x86_64.tar.gz.sha512", ".asc", "archive"},
		{alpine, "alpine-minirootfs-3.21.0_rc1-armhf.tar.gz", "", "https://dl-cdn.alpinelinux.org/alpine/v3.21/releases/armhf/alpine-minirootfs-3.21.0_rc1-armhf.tar.gz.sha512", ".asc", "archive"},
		{alpine, "alpine-minirootfs-20240923-aarch64.tar.gz", "", "https://dl-cdn.alpinelinux.org/alpine/edge/releases/aarch64/alpine-minirootfs-20240923-aarch64.tar.gz.sha512", ".asc", "archive"},
	} {
		l, ok := c.d.PublishedOf(c.archive)
		list, signature, has := l.URLs(c.archive, c.serial)
		if !ok || !has || list != c.list || string(l.Signs) != c.signed || !l.Independent {
			t.Errorf("%s: %s, %+v", c.archive, list, l)
		}
		if want := strings.TrimSuffix(c.list, ".sha512") + c.signature; signature != want {
			t.Errorf("%s: signature %s, want %s", c.archive, signature, want)
		}
		if l.Path("x", c.archive) != "" || l.SignaturePath("x", c.archive) != "" {
			t.Errorf("%s: a path in the commit", c.archive)
		}
	}
	for _, name := range []string{"", "ubuntu-../..-oci-amd64-root.tar.gz", "ubuntu-a@evil.example-oci-amd64-root.tar.gz", "rootfs.tar.xz", "ubuntu-xenial-core-cloudimg-amd64-root.tar.gz\n"} {
		if l, ok := ubuntu.PublishedOf(name); ok {
			t.Errorf("%q: %+v", name, l)
		}
	}
	l, _ := ubuntu.PublishedOf("ubuntu-jammy-oci-arm64-root.tar.gz")
	for _, serial := range []string{"../x", "..", "2021?x", "20210804202108041"} {
		if list, _, ok := l.URLs("ubuntu-jammy-oci-arm64-root.tar.gz", serial); ok {
			t.Errorf("serial %q: %s", serial, list)
		}
	}
}

func TestEveryRowOfTheTableIsWhole(t *testing.T) {
	fingerprints := regexp.MustCompile(`^[0-9A-F]{40}$`)
	for _, d := range distributors {
		signs := false
		for _, l := range slices.Concat(d.Lists, d.Published) {
			signs = signs || l.Signature != ""
			if l.Where == AtAddress && (!strings.HasPrefix(l.Address, "https://") || !strings.HasSuffix(l.Address, "/")) {
				t.Errorf("%s: address %q", d.Name, l.Address)
			}
			if (l.Signature != "") != (l.Signs != "") {
				t.Errorf("%s: a signature over nothing: %+v", d.Name, l)
			}
		}
		if signs != (len(d.Keys) > 0) || signs != (len(d.Hashes) > 0) {
			t.Errorf("%s: signatures without keys, or the other way round", d.Name)
		}
		for _, k := range d.Keys {
			if !fingerprints.MatchString(k.Fingerprint) || k.Source == "" || k.UserID == "" {
				t.Errorf("%s: %+v", d.Name, k)
			}
		}
	}
}

func TestAMissingKeyComesWithACommand(t *testing.T) {
	ubuntu, _ := Find("https://github.com/tianon/docker-brew-ubuntu-core")
	want := "curl --fail --location --output key.asc 'https://keyserver.ubuntu.com/pks/lookup?op=get&options=mr&search=0xD2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81'"
	if got := ubuntu.Keys[0].Command("key.asc"); got != want {
		t.Error(got)
	}
	alpine, _ := Find("https://github.com/alpinelinux/docker-alpine")
	if got := alpine.Keys[0].Addresses(); len(got) != 3 || got[0] != "https://alpinelinux.org/keys/ncopa.asc" {
		t.Error(got)
	}
}

func TestAListIsLookedUpWithoutTheFile(t *testing.T) {
	list := zero + "  other\n" + sum256 + "  a.tar\n" + sum512 + "  a.tar\n"
	e, ok, err := Lookup(strings.NewReader(list), "a.tar")
	if err != nil || !ok || e != (Entry{"a.tar", "sha512", sum512, 3}) {
		t.Errorf("%+v, %v, error %v", e, ok, err)
	}
	if e, ok, err := Lookup(strings.NewReader(list), "b.tar"); ok || err != nil || e != (Entry{}) {
		t.Errorf("%+v, %v, error %v", e, ok, err)
	}
}
