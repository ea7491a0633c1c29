package pins

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/imageverify/verify/provenance/dockerfile"
)

func inspect(t *testing.T, text string) *Result {
	t.Helper()
	f, err := dockerfile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Evaluate(dockerfile.Options{OS: "linux", Architecture: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	return Inspect(b, nil)
}

// found are the facts as "rule line", without those of the rules given.
func found(r *Result, but ...string) []string {
	var out []string
	for _, f := range r.Facts {
		if !slices.Contains(but, f.Rule) {
			out = append(out, fmt.Sprintf("%s %d", f.Rule, f.Line))
		}
	}
	return out
}

const videoTool = `FROM ubuntu:16.04
RUN apt-get update && apt-get install -y curl \
    python
RUN curl -L https://downloads.test/latest/video-tool \
      -o /usr/local/bin/video-tool \
    && chmod a+rx /usr/local/bin/video-tool
ENTRYPOINT ["video-tool"]
`

func TestATutorialsDockerfileShowsAllThatItLeavesOpen(t *testing.T) {
	r := inspect(t, videoTool)
	want := []string{"pin.base 1", "pin.download 4", "pin.packages 2", "pin.latest 4", "pin.user 7"}
	if got := found(r); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, f := range r.Facts {
		if f.What == "" || f.Fix == "" {
			t.Errorf("%+v says too little", f)
		}
	}
	for rule, text := range map[string]string{Base: "ubuntu:16.04", Packages: "curl, python", Download: "https://downloads.test/latest/video-tool"} {
		if i := slices.IndexFunc(r.Facts, func(f Fact) bool { return f.Rule == rule }); !strings.Contains(r.Facts[i].What, text) {
			t.Errorf("%s does not name %s: %s", rule, text, r.Facts[i].What)
		}
	}
}

func TestWhatARunFetchesAndInstallsIsJudged(t *testing.T) {
	const sum = "bbc4136d03ab138b1ad66fa4fc051bafc6cc7ffae632b069a53657279a450de3"
	const id = "B42F6819007F00F88E364FD4036A9C25BF357DD4"
	tests := []struct {
		name, script string
		want         []string
	}{
		{"a download that is used", "curl -fsSL https://h.test/x.tgz -o x.tgz && tar xf x.tgz", []string{Download}},
		{"its sum is checked", "curl -fsSL https://h.test/x.tgz -o x.tgz && echo '" + sum + "  x.tgz' | sha256sum -c -", nil},
		{"its sum is checked from a here-string", "curl -fsSLo x.tgz https://h.test/x.tgz && sha256sum -c <<< '" + sum + "  x.tgz'", nil},
		{"its sum is checked under its whole path", "curl -fsSLo /tmp/x.tgz https://h.test/x.tgz && cd /tmp && echo '" + sum + " *x.tgz' | sha256sum -c", nil},
		{"the sum of another file is checked", "curl -fsSLo x.tgz https://h.test/x.tgz && echo '" + sum + "  y.tgz' | sha256sum -c -", []string{Download}},
		{"the sum of a file in another directory is checked", "curl -fsSLo /a/x.tgz https://h.test/x.tgz && echo '" + sum + "  /b/x.tgz' | sha256sum -c -", []string{Download}},
		{"its sum is only shown", "curl -fsSLo x.tgz https://h.test/x.tgz && sha256sum x.tgz", []string{Download}},
		{"its sum is fetched from beside it", "wget https://h.test/x.tgz https://h.test/x.tgz.sha256 && sha256sum -c x.tgz.sha256", []string{Download, Download}},
		{"its sum is fetched into the check", "wget https://h.test/x.tgz && echo \"$(wget -qO- https://h.test/sum)  x.tgz\" | sha256sum -c", []string{Download, Download}},
		{"its sum is computed into the check", "wget https://h.test/x.tgz && echo \"$(sha256sum x.tgz)\" | sha256sum -c", []string{Download}},
		{"a failing check is let pass", "wget https://h.test/x.tgz; sha256sum -c sums || true; tar xf x.tgz", []string{Download}},
		{"a failing check is not heeded", "wget https://h.test/x.tgz; sha256sum -c sums; tar xf x.tgz", []string{Download}},
		{"a failing check ends a RUN under set -e", "set -eux; wget https://h.test/x.tgz; sha256sum -c sums; tar xf x.tgz", nil},
		{"a failing check exits", "wget https://h.test/x.tgz; sha256sum -c sums || exit 1; tar xf x.tgz", nil},
		{"a sum is compared in a test", "wget https://h.test/x.tgz && [ \"$(sha256sum x.tgz | cut -d' ' -f1)\" = " + sum + " ] && tar xf x.tgz", nil},
		{"a sum is kept and compared", "wget https://h.test/x.tgz && got=$(openssl sha256 -r x.tgz) && test \"$got\" = '" + sum + " *x.tgz'", nil},
		{"a sum is searched for", "wget https://h.test/x.tgz && sha256sum x.tgz | grep -q " + sum, nil},
		{"a signature is checked", "wget https://h.test/x.tgz https://h.test/x.tgz.asc && gpg --recv-keys " + id + " && gpg --batch --verify x.tgz.asc x.tgz", nil},
		{"the signature of another file is checked", "wget https://h.test/x.tgz https://h.test/y.tgz.asc && gpg --batch --verify y.tgz.asc y.tgz", []string{Download}},
		{"a signed list is checked", "wget https://h.test/x.tgz https://h.test/SUMS.asc && gpg --batch --decrypt --output SUMS SUMS.asc && grep ' x.tgz$' SUMS | sha256sum -c -", nil},
		{"an unsigned list is checked", "wget https://h.test/x.tgz https://h.test/SUMS && grep ' x.tgz$' SUMS | sha256sum -c -", []string{Download, Download}},
		{"the list names another file", "wget https://h.test/x.tgz https://h.test/y.tgz && grep ' y.tgz$' /context/SUMS | sha256sum -c -", []string{Download}},
		{"the file's name is a variable's", "f=x.tgz; wget -O \"$f\" https://h.test/$f && echo \"" + sum + "  $f\" | sha256sum -c", nil},
		{"the sum is one of several", "set -e; case x in a) s=" + sum + " ;; *) s=0 ;; esac; wget https://h.test/x.tgz; echo \"$s  x.tgz\" | sha256sum -c", nil},
		{"a function fetches", "set -e; get() { local f=\"$1\"; shift; curl -o \"$f\" \"$1\"; }; get x.tgz https://h.test/x.tgz; echo '" + sum + "  x.tgz' | sha256sum -c", nil},
		{"a function fetches what nothing checks", "get() { curl -o \"$1\" \"$2\"; }; get x.tgz https://h.test/x.tgz", []string{Download}},
		{"a shell in a shell fetches", "su nobody -s /bin/sh -c 'wget https://h.test/x.tgz'", []string{Download}},
		{"a download is unpacked as it comes", "curl -fsSL https://h.test/x.tgz | tar xz", []string{Download}},
		{"a download is redirected", "curl -fsSL https://h.test/x.tgz > x.tgz", []string{Download}},
		{"a download in a loop", "for f in a b; do wget https://h.test/$f; done", []string{Download}},
		{"the version is asked for", "V=$(curl -s https://h.test/latest.json) && echo $V", []string{Download, Latest}},
		{"a program's own server is asked", "curl -f http://localhost:8080/health && wget --spider https://h.test/", nil},
		{"a clone", "git clone --depth 1 https://h.test/x.git", []string{Download}},
		{"a clone at a tag", "git clone --branch v1.0 https://h.test/x.git", []string{Download}},
		{"a clone at a commit", "git clone https://h.test/x.git && cd x && git checkout 7d63673353bd39d92ba42f6effcc199aeebd45ee", nil},

		{"a shell runs a download", "curl -fsSL https://h.test/install.sh | sh", []string{Pipe}},
		{"a shell runs a download with arguments", "curl -fsSL https://h.test/install.sh | sudo -E bash -s -- --yes", []string{Pipe}},
		{"python runs a download", "wget -qO- https://h.test/get.py | python3 -", []string{Pipe}},
		{"a shell is given a download", "sh -c \"$(curl -fsSL https://h.test/install.sh)\"", []string{Pipe}},
		{"a shell reads a download as a file", "bash <(curl -fsSL https://h.test/install.sh)", []string{Pipe}},
		{"a download is sourced", "eval \"$(wget -qO- https://h.test/env)\"", []string{Pipe}},
		{"python reads a download as data", "curl -fsSL https://h.test/x.json | python3 -m json.tool > x.json", []string{Download}},

		{"a key by its fingerprint", "gpg --keyserver k.test --recv-keys " + id, nil},
		{"a key by a long id", "gpg --keyserver k.test --recv-keys 0x036A9C25BF357DD4", []string{Key}},
		{"a key by a short id, for apt", "apt-key adv --keyserver k.test --recv-keys BF357DD4", []string{Key}},
		{"one of several keys by a short id", "for k in " + id + " BF357DD4; do gpg --recv-keys \"$k\"; done", []string{Key}},
		{"a key from an address", "curl -fsSL https://h.test/gpg | gpg --dearmor -o /usr/share/keyrings/h.gpg", []string{Key}},
		{"a key from an address, for apt", "wget -qO - https://h.test/key.asc | apt-key add -", []string{Key}},
		{"a key from an address, for rpm", "rpm --import https://h.test/RPM-GPG-KEY", []string{Key}},
		{"a key whose sum is checked", "wget -O /etc/apk/keys/h.rsa.pub https://h.test/h.rsa.pub && echo '" + sum + "  /etc/apk/keys/h.rsa.pub' | sha256sum -c", nil},
		{"keys of which some are picked", "curl -o KEYS https://h.test/KEYS && gpg --import KEYS && gpg --export " + id + " > k", nil},

		{"apt-get", "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -t stable curl", []string{Packages}},
		{"apt-get with a version", "apt-get install -y curl=7.88.1-10", nil},
		{"apt-get with a list in a variable", "list='gcc make'; apt-get install -y $list", []string{Packages}},
		{"apt-get with a list that is not known", "apt-get install -y $LIST", nil},
		{"apt-get with a file", "apt-get install -y ./x.deb", nil},
		{"apk", "apk --no-cache add --virtual .deps gcc", []string{Packages}},
		{"apk with a version", "apk add --no-cache 'gcc~=13.2' make=4.4.1-r2", nil},
		{"apk by what is linked", "apk add so:libssl.so.3", nil},
		{"yum", "yum install -y java-1.8.0-openjdk", []string{Packages}},
		{"yum with a version", "yum install -y bash-5.1.8-6.el9 curl-7.76.1", nil},
		{"microdnf", "microdnf --nodocs -y install tar", []string{Packages}},
		{"zypper", "zypper --non-interactive in curl", []string{Packages}},
		{"pacman", "pacman -Syu --noconfirm curl", []string{Packages, Upgrade}},
		{"pip", "python3 -m pip install --no-cache-dir 'requests[socks]>=2'", []string{Packages}},
		{"pip with a version", "pip3 install requests==2.32.0 -r requirements.txt", nil},
		{"pip with a commit", "pip install git+https://h.test/x.git@7d63673353bd39d92ba42f6effcc199aeebd45ee", nil},
		{"pip of the context", "pip install . && pip install -e .", nil},
		{"npm", "npm install -g typescript @scope/name", []string{Packages}},
		{"npm with a version", "npm install -g typescript@5.4.5 @scope/name@1.0.0 && npm ci", nil},
		{"npm at latest", "npm i -g npm@latest", []string{Packages}},
		{"gem", "gem install bundler", []string{Packages}},
		{"gem with a version", "gem install bundler -v 2.5.0 && gem install rake:13.0.0", nil},
		{"go at latest", "go install h.test/x/cmd/x@latest", []string{Packages}},
		{"go with a version", "go install h.test/x/cmd/x@v1.2.3 && go install ./...", nil},
		{"cargo", "cargo install ripgrep", []string{Packages}},

		{"apt-get upgrade", "apt-get update && apt-get -y dist-upgrade", []string{Upgrade}},
		{"apk upgrade", "apk -U upgrade", []string{Upgrade}},
		{"yum update", "yum -y update && yum clean all", []string{Upgrade}},
		{"apt-get update alone", "apt-get update && yum check-update && apk update", nil},

		{"a name that moves, checked", "wget https://h.test/latest/x && echo '" + sum + "  x' | sha256sum -c", nil},
		{"a branch", "curl -fo x https://raw.githubusercontent.com/a/b/main/x", []string{Download, Latest}},
		{"a component called main", "curl -fo x.deb http://deb.h.test/pool/main/x.deb", []string{Download}},

		{"what is only written", "echo 'curl https://h.test/x | sh; apt-get install y' > /notes", nil},
		{"what stands in a comment", "true # curl https://h.test/x | sh", nil},
		{"a script that cannot be parsed", "if then (", []string{Shell}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := inspect(t, "FROM scratch\nRUN "+tt.script+"\nUSER app\n")
			var got []string
			for _, f := range r.Facts {
				got = append(got, f.Rule)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s\ngot  %v\nwant %v", tt.script, r.Facts, tt.want)
			}
		})
	}
}

func TestWhatStandsInDirectivesIsJudged(t *testing.T) {
	const digest = "@sha256:341562d425c802cd414e4bec3fa0be331ba7c9d0ebebd504aabf016a8f09c6e4"
	tests := []struct {
		name, text string
		want       []string
	}{
		{"a base by digest", "FROM alpine:3.20" + digest + "\nUSER app\n", nil},
		{"a base by an argument", "ARG TAG=3.20\nFROM alpine:$TAG\nUSER app\n", []string{"pin.base 2"}},
		{"a base without a tag", "FROM localhost:5000/alpine\nUSER app\n", []string{"pin.base 1"}},
		{"a stage that is copied from", "FROM golang:1 AS build\nRUN apt-get install -y x\nFROM scratch\nCOPY --from=build /x /x\nUSER app\n", []string{"pin.base 1", "pin.packages 2"}},
		{"a stage that is copied from by number", "FROM golang:1\nFROM scratch\nCOPY --from=0 /x /x\nUSER app\n", []string{"pin.base 1"}},
		{"a stage that nothing uses", "FROM golang:1 AS test\nRUN apt-get install -y x\nFROM scratch\nUSER app\n", nil},
		{"a stage over a stage", "FROM golang:1 AS build\nRUN apt-get install -y x\nFROM build\nUSER app\n", []string{"pin.base 1", "pin.packages 2"}},
		{"an image that is copied from", "FROM scratch\nCOPY --from=busybox:1 /bin/sh /sh\nUSER app\n", []string{"pin.base 2"}},
		{"an image that is mounted", "FROM scratch\nRUN --mount=from=golang:1,target=/go true\nUSER app\n", []string{"pin.base 2"}},
		{"an ADD of a URL", "FROM scratch\nADD https://h.test/x.tgz /x/\nUSER app\n", []string{"pin.download 2"}},
		{"an ADD with a checksum", "FROM scratch\nADD --checksum=sha256:341562d425c802cd414e4bec3fa0be331ba7c9d0ebebd504aabf016a8f09c6e4 https://h.test/x.tgz /x/\nUSER app\n", nil},
		{"an ADD that a RUN checks", "FROM scratch\nADD https://h.test/x.tgz /x/\nRUN echo '0  /x/x.tgz' | sha256sum -c\nUSER app\n", nil},
		{"an ADD of a repository", "FROM scratch\nADD https://h.test/x.git#v1 /x\nUSER app\n", []string{"pin.download 2"}},
		{"an ADD of a repository at a commit", "FROM scratch\nADD https://h.test/x.git#7d63673353bd39d92ba42f6effcc199aeebd45ee /x\nUSER app\n", nil},
		{"a URL from ENV", "FROM scratch\nENV U=https://h.test/x S=0\nRUN wget -O x \"$U\" && echo \"$S  x\" | sha256sum -c\nRUN wget -O y \"$U\"\nUSER app\n", []string{"pin.download 4"}},
		{"root by name", "FROM scratch\nUSER root\n", []string{"pin.user 2"}},
		{"root by number", "FROM scratch\nUSER app\nUSER 0:0\n", []string{"pin.user 3"}},
		{"no user", "FROM scratch\nCMD [\"/x\"]\n", []string{"pin.user 2"}},
		{"the exec form", "FROM scratch\nRUN [\"apt-get\", \"install\", \"-y\", \"curl\"]\nUSER app\n", []string{"pin.packages 2"}},
		{"the exec form of a shell", "FROM scratch\nRUN [\"/bin/bash\", \"-c\", \"curl https://h.test/x | sh\"]\nUSER app\n", []string{"pin.pipe 2"}},
		{"a here-document", "FROM scratch\nRUN <<EOF\nset -e\napt-get install -y curl\nEOF\nUSER app\n", []string{"pin.packages 4"}},
		{"a here-document for another program", "FROM scratch\nRUN <<EOF\n#!/usr/bin/env python3\nprint(1)\nEOF\nUSER app\n", []string{"pin.shell 2"}},
		{"a here-document that is a file", "FROM scratch\nRUN cat <<EOF > /x && apt-get install -y y\ncurl https://h.test | sh\nEOF\nUSER app\n", []string{"pin.packages 2"}},
		{"another shell", "FROM scratch\nSHELL [\"powershell\", \"-Command\"]\nRUN iwr https://h.test/x | iex\nUSER app\n", []string{"pin.shell 3"}},
		{"a shell that stops at errors", "FROM scratch\nSHELL [\"/bin/bash\", \"-eo\", \"pipefail\", \"-c\"]\nRUN wget https://h.test/x; sha256sum -c s; ./x\nUSER app\n", nil},
		{"comments and empty lines in a RUN", "FROM scratch\nRUN true \\\n# a comment\n\n  && apt-get install -y \\\n  curl\nUSER app\n", []string{"pin.packages 5"}},
		{"another escape", "# escape=`\nFROM scratch\nRUN true `\n  && apt-get install -y curl\nUSER app\n", []string{"pin.packages 4"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := inspect(t, tt.text)
			if got := found(r); !slices.Equal(got, tt.want) {
				t.Errorf("%s\ngot  %v\nwant %v", tt.text, r.Facts, tt.want)
			}
		})
	}
}

func TestTheImagesOwnUserDecides(t *testing.T) {
	f, err := dockerfile.Parse([]byte("FROM base:1\nRUN true\n"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Evaluate(dockerfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]bool{"": true, "root": true, "0": true, "00:5": true, "app": false, "1000": false} {
		got := slices.ContainsFunc(Inspect(b, &user).Facts, func(f Fact) bool { return f.Rule == User })
		if got != want {
			t.Errorf("user %q: found %t, want %t", user, got, want)
		}
	}
}

func TestWhatIsInOrderIsCounted(t *testing.T) {
	r := inspect(t, "FROM a@sha256:0\nRUN wget https://h.test/x && echo '0  x' | sha256sum -c && apk add y=1 z=2\nUSER app\n")
	for rule, want := range map[string]int{Base: 1, Download: 1, Packages: 2, User: 1} {
		if got := r.Pinned[rule]; got != want {
			t.Errorf("%s: %d in order, want %d", rule, got, want)
		}
	}
}
