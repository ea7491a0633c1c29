// Package tutorial gives tests the images of a tutorial on writing Dockerfiles:
// one program installed from packages and an address, in a row of variants, with
// a repository of packages and a base that are made for the test. apt-get and
// dpkg are this machine's own, apk is that of Alpine.
package tutorial

import (
	"fmt"
	"maps"
	"testing"
)

// Variants are the names of the images on the base with apt, in the tutorial's
// order: a RUN a step, one RUN for all, one that cleans up behind itself, and
// one that leaves root.
func Variants() []string { return []string{"separate", "joined", "cleaned", "nonroot"} }

// Contexts are the build contexts by name, of files by path: those of Variants;
// "alpine", with packages from apk; and "site", built in one stage and served
// from another. Their packages come from the server.
func Contexts(t testing.TB, s *Server) map[string]map[string]string {
	t.Helper()
	rootfs := debianRootfs(t)
	sources := fmt.Sprintf("deb [trusted=yes] %s/apt ./\n", s.URL)
	base := map[string]string{"rootfs.tar.gz": rootfs, "sources.list": sources}
	head := "FROM scratch\nADD rootfs.tar.gz /\nCOPY sources.list /etc/apt/sources.list\n"
	fetch := "curl -L " + s.URL + "/latest/downloader -o /usr/local/bin/downloader"
	end := "ENTRYPOINT [\"/usr/local/bin/downloader\"]\n"
	cleaned := "RUN apt-get update && apt-get install -y curl python && " + fetch + " && chmod a+rx /usr/local/bin/downloader \\\n" +
		" && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log\n"
	dockerfiles := map[string]string{
		"separate": head + "RUN apt-get update\nRUN apt-get install -y curl\nRUN apt-get install -y python\nRUN " + fetch + "\nRUN chmod a+rx /usr/local/bin/downloader\n" + end,
		"joined":   head + "RUN apt-get update && apt-get install -y curl python && " + fetch + " && chmod a+rx /usr/local/bin/downloader\n" + end,
		"cleaned":  head + cleaned + end,
		"nonroot":  head + cleaned + "RUN useradd -u 1000 user\nUSER user\n" + end,
	}
	out := map[string]map[string]string{
		"alpine": {
			"rootfs.tar.gz": alpineRootfs(t), "repositories": s.URL + "/apk\n",
			"Dockerfile": "FROM scratch\nADD rootfs.tar.gz /\nCOPY repositories /etc/apk/repositories\nRUN apk add --no-cache --allow-untrusted downloader\nCMD [\"downloader\"]\n",
		},
		"site": {
			"rootfs.tar.gz": rootfs, "page.txt": "A page\n", "build.sh": "#!/bin/sh\nmkdir /site\n(echo '<h1>'; cat /src/page.txt; echo '</h1>') > /site/index.html\n",
			"Dockerfile": "FROM scratch AS build\nADD rootfs.tar.gz /\nCOPY page.txt build.sh /src/\nRUN /src/build.sh\n\nFROM scratch\nCOPY --from=build /bin/busybox /bin/busybox\nCOPY --from=build /site /www\nCMD [\"/bin/busybox\", \"httpd\", \"-f\", \"-h\", \"/www\"]\n",
		},
	}
	for name, dockerfile := range dockerfiles {
		out[name] = maps.Clone(base)
		out[name]["Dockerfile"] = dockerfile
	}
	return out
}
