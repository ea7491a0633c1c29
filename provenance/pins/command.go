package pins

import (
	"path"
	"slices"
	"strings"
)

// command follows a program with its arguments.
func (s *script) command(words []string, line int, u use) {
	if s.budget--; s.budget < 0 {
		return
	}
	words = unwrap(words)
	if len(words) == 0 {
		return
	}
	name, args := path.Base(words[0]), words[1:]
	if body, ok := s.functions[words[0]]; ok {
		s.function(func() { s.statement(body, u) }, args)
		return
	}
	switch name {
	case "set":
		s.errexit = s.errexit || setsErrexit(args)
	case "shift":
		if len(s.params) > 0 {
			s.params = s.params[1:]
		}
	case "export", "local", "readonly", "declare":
		for _, a := range args {
			if k, v, ok := strings.Cut(a, "="); ok {
				s.vars[k] = v
			}
		}
	case "read", "unset":
		for _, a := range args {
			delete(s.vars, a)
		}
	case "echo", "printf":
		s.gave = input{text: strings.Join(args, " "), known: true}
	case "cat", "grep", "egrep", "fgrep", "awk", "gawk", "sed", "head", "tail", "cut", "sort", "tr", "tac", "uniq", "tee":
		s.filter(name, args, u)
	case "sh", "bash", "ash", "dash", "ksh", "zsh", "su", "runuser":
		s.shell(args, line, u)
	case "curl":
		s.curl(args, line, u)
	case "wget":
		s.wget(args, line, u)
	case "git":
		s.git(args, line, u)
	case "gpg", "gpg1", "gpg2", "gpgv", "apt-key", "rpm", "rpmkeys":
		s.keys(name, args, line, u)
	case "openssl":
		s.openssl(args, u)
	case "cosign", "minisign", "signify", "slsa-verifier":
		s.verifier(args, u)
	default:
		if isSum(name) {
			s.sum(args, u)
			return
		}
		s.install(name, args, line)
	}
}

// function follows the body of a function with its parameters.
func (s *script) function(follow func(), args []string) {
	outer := s.params
	s.params = append([]string{}, args...)
	s.nested(follow)
	s.params = outer
}

// setsErrexit reports whether arguments of set or of a shell turn on -e.
func setsErrexit(args []string) bool {
	for i, a := range args {
		if strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && strings.Contains(a, "e") || a == "errexit" && i > 0 {
			return true
		}
	}
	return false
}

// wrappers run the command in their arguments: by name, those of their flags
// that take a value, and how many more words come before the command.
var wrappers = map[string]struct {
	valued []string
	skip   int
}{
	"sudo": {[]string{"-u", "-g", "-h", "-p", "-C", "-U", "--user", "--group"}, 0}, "doas": {[]string{"-u", "-C"}, 0},
	"env": {[]string{"-u", "-C", "-S", "--unset", "--chdir"}, 0}, "exec": {[]string{"-a"}, 0}, "command": {}, "builtin": {},
	"nice": {[]string{"-n"}, 0}, "nohup": {}, "time": {}, "eatmydata": {}, "busybox": {}, "setarch": {nil, 1}, "linux32": {}, "linux64": {},
	"timeout": {[]string{"-s", "-k", "--signal", "--kill-after"}, 1}, "gosu": {nil, 1}, "su-exec": {nil, 1}, "chroot": {[]string{"--userspec"}, 1},
	"xargs": {[]string{"-n", "-P", "-I", "-d", "-L", "-s", "-a", "-E"}, 0}, "retry": {[]string{"-t", "-d", "-s"}, 0},
}

// unwrap drops programs that only run another one, and variables set for it.
func unwrap(words []string) []string {
	for range maxDepth {
		if len(words) == 0 {
			return words
		}
		w, ok := wrappers[path.Base(words[0])]
		if !ok {
			return words
		}
		rest := words[1:]
		for len(rest) > 0 && (strings.HasPrefix(rest[0], "-") || strings.Contains(rest[0], "=") && plainVariable(rest[0])) {
			n := 1
			if slices.Contains(w.valued, rest[0]) {
				n = 2
			}
			rest = rest[min(n, len(rest)):]
		}
		words = rest[min(w.skip, len(rest)):]
	}
	return words
}

// plainVariable reports whether a word is NAME=value.
func plainVariable(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// shell follows a shell that is given a script: sh -c TEXT, su USER -c TEXT.
func (s *script) shell(args []string, line int, u use) {
	for i, a := range args {
		short := strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--")
		if (short && strings.HasSuffix(a, "c") || a == "--command") && i+1 < len(args) {
			outer, at := s.errexit, s.line
			s.errexit, s.line = setsErrexit(args[:i+1]), func(uint) int { return line }
			// What cannot be parsed is no script of which anything is known.
			s.nested(func() { _ = s.text(args[i+1], u) })
			s.errexit, s.line = outer, at
			return
		}
	}
}

// filter follows a program that passes on lines of what it reads.
func (s *script) filter(name string, args []string, u use) {
	var files, words []string
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			words = append(words, a)
		}
	}
	switch {
	case name == "cat", name == "tac", name == "sort", name == "uniq", name == "head", name == "tail":
		files, words = words, nil
	case name == "tr", name == "cut", name == "tee":
		words = nil
	case len(words) > 1:
		files, words = words[1:], words[:1]
	}
	s.gave = u.in
	if len(files) > 0 && !slices.Equal(files, []string{"-"}) {
		s.gave = input{files: files}
	}
	if name != "cat" && name != "tee" && name != "sort" && s.gave.known {
		s.gave = input{} // some of the text
	}
	s.gave.words = append(slices.Clone(s.gave.words), words...)
}

// isSum reports whether a program takes sums: sha256sum, shasum, md5sum, b2sum.
func isSum(name string) bool {
	return strings.HasSuffix(name, "sum") && (strings.HasPrefix(name, "sha") || strings.HasPrefix(name, "md5") || strings.HasPrefix(name, "b2") || strings.HasPrefix(name, "b3"))
}

// sum follows a program that takes or checks sums.
func (s *script) sum(args []string, u use) {
	var files []string
	checks := false
	for i, a := range args {
		switch {
		case a == "--check" || len(a) > 1 && a[0] == '-' && a[1] != '-' && strings.Contains(a, "c"):
			checks = true
		case a == "-" || i > 0 && (args[i-1] == "-a" || args[i-1] == "--algorithm"):
		case !strings.HasPrefix(a, "-"):
			files = append(files, a)
		}
	}
	switch {
	case checks && len(files) == 0:
		s.checkInput(u)
	case checks:
		for _, list := range files {
			if list == "/dev/fd" || list == "/dev/stdin" {
				s.checkInput(u)
				continue
			}
			s.in.checkList(list, nil, u.heeded)
		}
	default:
		s.take(files, u)
	}
}

// checkInput notes that files are compared with the sums that are read. A text
// whose sums are themselves fetched or computed pins nothing.
func (s *script) checkInput(u use) {
	if u.in.known {
		if strings.Contains(u.in.text, "$(…)") {
			return
		}
		for _, word := range strings.FieldsFunc(strings.ReplaceAll(u.in.text, `\n`, " "), isBlank) {
			s.in.check(strings.TrimPrefix(word, "*"), u.heeded)
		}
		return
	}
	for _, list := range u.in.files {
		s.in.checkList(list, u.in.words, u.heeded)
	}
}

// take notes that sums of files are taken; it counts where they are compared.
func (s *script) take(files []string, u use) {
	if len(files) == 0 {
		files = u.in.files
	}
	searched := slices.ContainsFunc(u.into, func(c []string) bool { return len(c) > 0 && strings.HasSuffix(path.Base(c[0]), "grep") })
	for _, file := range files {
		if searched {
			s.in.check(file, u.heeded)
		}
	}
	if u.taken {
		s.summed = append(s.summed, files...)
	}
}

// openssl follows sums and signatures that openssl takes and checks.
func (s *script) openssl(args []string, u use) {
	if len(args) == 0 {
		return
	}
	digest := args[0] == "dgst" || strings.HasPrefix(args[0], "sha") || args[0] == "md5"
	if !digest {
		return
	}
	var files []string
	for i := 1; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-verify" || a == "-signature" || a == "-out" || a == "-prverify":
			i++
		case !strings.HasPrefix(a, "-"):
			files = append(files, a)
		}
	}
	if i := slices.Index(args, "-signature"); i >= 0 && i+1 < len(args) {
		s.in.sign(args[i+1], files, u.heeded)
		return
	}
	s.take(files, u)
}

// verifier follows programs that check signatures of the files they are given.
func (s *script) verifier(args []string, u use) {
	for i, a := range args {
		if strings.HasPrefix(a, "-") {
			continue
		}
		if i > 0 && slices.Contains([]string{"--signature", "--bundle", "--certificate", "--provenance-path", "-x"}, args[i-1]) {
			for _, d := range s.in.find(a) {
				d.signature, d.key = true, false
			}
			continue
		}
		for _, d := range s.in.find(a) {
			d.signed, d.unheeded = d.signed || u.heeded, !u.heeded
		}
	}
}
