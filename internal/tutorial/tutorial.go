// Package tutorial gives tests images with packages that real package managers
// install: apt-get and dpkg, which are this machine's own, and apk, which is
// Alpine's. The packages come from a server that is made for the test.
package tutorial

import (
	"fmt"
	"testing"
)

// Contexts are build contexts by name, of files by path: "joined" with one RUN
// for all steps, "cleaned" with one that cleans up behind itself, and "alpine" with a
// package of apk's. Their packages come from the server.
func Contexts(t testing.TB, s *Server) map[string]map[string]string {
	t.Helper()
	debian := func(steps string) map[string]string {
		return map[string]string{
			"rootfs.tar.gz": debianRootfs(t), "sources.list": fmt.Sprintf("deb [trusted=yes] %s/apt ./\n", s.URL),
			"Dockerfile": "FROM scratch\nADD rootfs.tar.gz /\nCOPY sources.list /etc/apt/sources.list\n" + steps + "ENTRYPOINT [\"/usr/local/bin/downloader\"]\n",
		}
	}
	install := "RUN apt-get update && apt-get install -y curl python && curl -L " + s.URL + "/latest/downloader -o /usr/local/bin/downloader && chmod a+rx /usr/local/bin/downloader"
	return map[string]map[string]string{
		"joined": debian(install + "\n"),
		"cleaned": debian(install + " \\\n" +
			" && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log\n"),
		"alpine": {
			"rootfs.tar.gz": alpineRootfs(t), "repositories": s.URL + "/apk\n",
			"Dockerfile": "FROM scratch\nADD rootfs.tar.gz /\nCOPY repositories /etc/apk/repositories\nRUN apk add --no-cache --allow-untrusted downloader\nCMD [\"downloader\"]\n",
		},
	}
}
