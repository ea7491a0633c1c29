package pins

import (
	"regexp"
	"slices"
	"strings"
)

// gpgOptions are the flags of gpg, gpgv, apt-key and rpm that take a value.
var gpgOptions = options{"oru", []string{"--output", "--keyserver", "--keyserver-options", "--keyring", "--homedir", "--recipient",
	"--local-user", "--trust-model", "--pinentry-mode", "--passphrase", "--status-fd", "--primary-keyring", "--no-default-keyring=", "--options"}}

var (
	hexadecimal = regexp.MustCompile(`^(0x|0X)?[0-9a-fA-F]+$`)
	fingerprint = regexp.MustCompile(`[0-9a-fA-F]{40}`)
)

// keys follows a program that fetches keys and checks signatures.
func (s *script) keys(name string, args []string, line int, u use) {
	rest, flags := gpgOptions.parse(args)
	switch {
	case has(flags, "--recv-keys", "--recv-key", "--recv", "--receive-keys"):
		s.receive(name, append(rest, valuesOf(flags, "--recv-keys", "--recv-key", "--recv")...), line)
	case has(flags, "--fetch-keys"):
		for _, url := range rest {
			s.keyFrom(name, url, line)
		}
	case name == "gpgv" && len(rest) > 0, has(flags, "--verify") && len(rest) > 0:
		s.in.sign(rest[0], rest[1:], u.heeded)
	case has(flags, "--decrypt", "-d") && len(rest) > 0:
		s.in.sign(rest[0], append(valuesOf(flags, "-o", "--output"), rest[0]), u.heeded)
	case name == "rpm" || name == "rpmkeys" || name == "apt-key" && slices.Contains(rest, "add") || has(flags, "--import", "--dearmor"):
		for _, file := range rest {
			s.imported(name, file, flags, line)
		}
	}
	s.named(rest, u)
}

// receive judges the ids that keys are asked for by.
func (s *script) receive(name string, ids []string, line int) {
	for _, word := range ids {
		for _, id := range s.values(strings.Trim(word, "'\"")) {
			for _, one := range strings.Fields(id) {
				s.keyID(name, one, line)
			}
		}
	}
}

// keyID judges one id; a name, or what only a variable knows, is none.
func (s *script) keyID(name, id string, line int) {
	if !hexadecimal.MatchString(id) {
		return
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(id, "0x"), "0X")
	if len(digits) >= 40 {
		s.in.pinned(Key)
		return
	}
	s.in.add(Key, line, name+" asks for the key "+id+": a short id, which another key can be made to have", "name all 40 digits of the fingerprint")
}

// imported notes that a file is used as a key, or that a key comes from a URL.
func (s *script) imported(name, file string, flags [][2]string, line int) {
	if strings.Contains(file, "://") && (name == "rpm" || name == "rpmkeys") && has(flags, "--import") {
		s.keyFrom(name, file, line)
		return
	}
	for _, d := range s.in.find(file) {
		d.key = d.key || !d.signature
	}
}

func (s *script) keyFrom(name, url string, line int) {
	s.in.fetched(&download{line: line, by: name, url: s.values(url)[0], key: true})
}

// named notes that keys are picked, or looked for, by their fingerprint: what
// was imported before is then not taken for what it says it is.
func (s *script) named(words []string, u use) {
	picked := false
	for _, w := range words {
		for _, v := range s.values(w) {
			picked = picked || fingerprint.MatchString(v)
		}
	}
	for _, c := range u.into {
		if len(c) > 0 && strings.HasSuffix(c[0], "grep") {
			for _, w := range c[1:] {
				value := w
				if name, ok := strings.CutPrefix(w, "${"); ok {
					value = s.vars[strings.TrimSuffix(name, "}")]
				}
				picked = picked || fingerprint.MatchString(strings.ReplaceAll(value, " ", ""))
			}
		}
	}
	if !picked {
		return
	}
	for _, d := range s.in.downloads {
		if d.key && d.line > 0 {
			d.checked = true
		}
	}
}
