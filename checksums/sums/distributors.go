package sums

import "regexp"

// distributors is the table of those known, a row each. The facts come from
// the repositories themselves unless another source is named.
//
// Not in the table, since there is nothing in them to rely on: Oracle Linux
// (MD5 alone beside its archives), CentOS (signatures of version 3, which are
// no longer supported), Scientific Linux (a signature beside each archive, by a
// key whose fingerprint the repository does not tell), CirrOS, Fedora, AlmaLinux,
// Rocky Linux, Photon, ALT, Mageia, Amazon Linux and Clear Linux (no list and no
// signature of the archive in the commit), Arch Linux (the sum is in the
// Dockerfile), busybox and hello-world (no archive of a distributor).
var distributors = []Distributor{
	{
		Name: "Canonical",
		Repositories: []string{
			"https://github.com/tianon/docker-brew-ubuntu-core",
			// From 2022-09-01 on, by official-images commit 01adc8a34.
			"https://git.launchpad.net/cloud-images/+oci/ubuntu-base",
		},
		Lists: []List{{
			Where: BesideTarball, File: "SHA256SUMS", Algorithm: "sha256",
			Archives:  ubuntuArchive,
			Signature: "SHA256SUMS.gpg", Signs: OverList, IndependentIfSigned: true,
		}},
		Serial: SerialFile{Where: BesideTarball, File: "build-info.txt", Key: "SERIAL"},
		Published: []List{
			// docker-brew-ubuntu-core's update.sh has both addresses; folders
			// by date lie beside "current".
			ubuntuList(ubuntuCore, "https://partner-images.canonical.com/core/{codename}/{serial}/"),
			ubuntuList(ubuntuOCI, "https://partner-images.canonical.com/oci/{codename}/{serial}/"),
			ubuntuList(ubuntuServer, "https://cloud-images.ubuntu.com/{codename}/{serial}/"),
		},
		Keys: []Key{{
			Fingerprint: "D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81",
			UserID:      "UEC Image Automatic Signing Key <cdimage@ubuntu.com>",
			Source:      "https://github.com/tianon/docker-brew-ubuntu-core/blob/570d5970a8b18bc772ad2c3eb1ce8fd0887d991a/gpg-fingerprint",
		}},
		// Every signature at docker-brew-ubuntu-core's 570d597, of 2019 to
		// 2022, is over SHA-1.
		Hashes: []string{"SHA1", "SHA256", "SHA384", "SHA512"},
	},
	{
		Name:         "Alpine Linux",
		Repositories: []string{"https://github.com/alpinelinux/docker-alpine"},
		Lists:        []List{{Where: RepositoryRoot, File: "checksums.sha512", Algorithm: "sha512"}},
		Published: []List{
			alpineList(alpineRelease, "https://dl-cdn.alpinelinux.org/alpine/v{branch}/releases/{arch}/"),
			alpineList(alpineEdge, "https://dl-cdn.alpinelinux.org/alpine/edge/releases/{arch}/"),
		},
		Keys: []Key{{
			Fingerprint: "0482D84022F52DF1C4E7CD43293ACD0907D9495A",
			UserID:      "Natanael Copa <ncopa@alpinelinux.org>",
			Source:      "https://www.alpinelinux.org/downloads/",
			Home:        "https://alpinelinux.org/keys/ncopa.asc",
		}},
		Hashes: strongHashes,
	},
	{
		Name: "Debian",
		Repositories: []string{
			"https://github.com/debuerreotype/docker-debian-artifacts",
			"https://github.com/debuerreotype/docker-debian-eol-artifacts",
		},
		// One bare digest, which speaks of the file beside it and no other.
		Lists: []List{{
			Where: BesideTarball, File: "rootfs.tar.xz.sha256", Algorithm: "sha256",
			Archives: regexp.MustCompile(`^rootfs\.tar\.xz$`),
		}},
		// generate-stackbrew-library.sh reads it for the library's tags.
		Serial: SerialFile{Where: RepositoryRoot, File: "serial"},
	},
	{
		// In the library until its deletion; archives of this name alone have a
		// list beside them.
		Name:         "openSUSE",
		Repositories: []string{"https://github.com/openSUSE/docker-containers-build"},
		Lists: []List{{
			Where: BesideTarball, File: "{archive}.sha256", Algorithm: "sha256",
			Archives: regexp.MustCompile(`^openSUSE-[A-Za-z0-9.-]+\.base\.[a-z0-9_]+\.tar\.xz$`),
		}},
	},
}

var strongHashes = []string{"SHA256", "SHA384", "SHA512"}

// Names of archives; the groups are for List.Address.
var (
	ubuntuArchive = regexp.MustCompile(`^(ubuntu-)?[a-z]+-(core-cloudimg|oci|server-cloudimg)-[a-z0-9]+-root\.tar\.(gz|xz)$`)
	ubuntuCore    = regexp.MustCompile(`^ubuntu-(?P<codename>[a-z]+)-core-cloudimg-[a-z0-9]+-root\.tar\.gz$`)
	ubuntuOCI     = regexp.MustCompile(`^ubuntu-(?P<codename>[a-z]+)-oci-[a-z0-9]+-root\.tar\.gz$`)
	ubuntuServer  = regexp.MustCompile(`^(?P<codename>[a-z]+)-server-cloudimg-[a-z0-9]+-root\.tar\.(gz|xz)$`)
	alpineRelease = regexp.MustCompile(`^alpine-minirootfs-(?P<branch>[0-9]+\.[0-9]+)\.[0-9]+(_rc[0-9]+)?-(?P<arch>[a-z0-9_]+)\.tar\.gz$`)
	alpineEdge    = regexp.MustCompile(`^alpine-minirootfs-[0-9]{8}-(?P<arch>[a-z0-9_]+)\.tar\.gz$`)
)

func ubuntuList(archives *regexp.Regexp, address string) List {
	return List{
		Where: AtAddress, File: "SHA256SUMS", Algorithm: "sha256", Archives: archives, Address: address,
		Signature: "SHA256SUMS.gpg", Signs: OverList, Independent: true,
	}
}

func alpineList(archives *regexp.Regexp, address string) List {
	return List{
		Where: AtAddress, File: "{archive}.sha512", Algorithm: "sha512", Archives: archives, Address: address,
		Signature: "{archive}.asc", Signs: OverArchive, Independent: true,
	}
}
