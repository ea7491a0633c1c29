package pins

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// manager is a program that installs packages.
type manager struct {
	// install and upgrade are its commands, as the first word that is no flag;
	// "" is none.
	install, upgrade []string
	options          options
	// pinned reports whether a package is named with a version; flags are those
	// of the command.
	pinned func(name string, flags [][2]string) bool
	// example is a package with its version.
	example string
}

var aptOptions = options{"otac", []string{"--option", "--target-release", "--default-release", "--host-architecture", "--config-file"}}

var (
	apt = manager{[]string{"install"}, []string{"upgrade", "dist-upgrade", "full-upgrade", "safe-upgrade"}, aptOptions, holds("="), "NAME=VERSION"}
	yum = manager{[]string{"install", "localinstall", "reinstall", "groupinstall"}, []string{"update", "upgrade", "distro-sync", "update-minimal"},
		options{"cdRex", []string{"--enablerepo", "--disablerepo", "--setopt", "--releasever", "--installroot", "--repo", "--exclude", "--forcearch", "--config"}}, rpmVersion, "NAME-VERSION"}
	apk = manager{[]string{"add"}, []string{"upgrade"},
		options{"tXp", []string{"--virtual", "--repository", "--root", "--keys-dir", "--repositories-file", "--wait", "--arch", "--cache-dir", "--cache-max-age", "--progress-fd"}}, holds("=", "~"), "NAME=VERSION"}
	zypper = manager{[]string{"install", "in"}, []string{"update", "up", "dup", "dist-upgrade", "patch"},
		options{"rtpRCD", []string{"--repo", "--from", "--type", "--plus-repo", "--root", "--name"}}, holds("="), "NAME=VERSION"}
	pip = manager{[]string{"install"}, nil,
		options{"rctifeCbd", []string{"--requirement", "--constraint", "--target", "--index-url", "--extra-index-url", "--find-links", "--editable", "--prefix",
			"--root", "--trusted-host", "--timeout", "--retries", "--cert", "--client-cert", "--proxy", "--platform", "--python-version", "--implementation",
			"--abi", "--global-option", "--install-option", "--no-binary", "--only-binary", "--src", "--upgrade-strategy", "--progress-bar", "--log",
			"--config-settings", "--report", "--cache-dir", "--python", "--index", "--group", "--user-agent"}}, pipVersion, "NAME==VERSION"}
	npm = manager{[]string{"install", "i", "add", "global"}, nil,
		options{"Cw", []string{"--prefix", "--registry", "--cache", "--omit", "--include", "--workspace", "--loglevel", "--tag", "--dir", "--filter", "--cwd"}}, npmVersion, "NAME@VERSION"}
	gem = manager{[]string{"install"}, []string{"update"},
		options{"vinBPs", []string{"--version", "--install-dir", "--bindir", "--source", "--platform", "--trust-policy"}}, gemVersion, "NAME:VERSION"}
	goTool = manager{[]string{"install", "get"}, nil, options{"", nil}, goVersion, "MODULE@VERSION"}
	cargo  = manager{[]string{"install"}, nil,
		options{"jpF", []string{"--version", "--vers", "--git", "--branch", "--tag", "--rev", "--path", "--root", "--features", "--profile", "--target", "--registry", "--bin"}}, cargoVersion, "NAME@VERSION"}
	conda = manager{[]string{"install", "create"}, []string{"update", "upgrade"},
		options{"ncp", []string{"--name", "--channel", "--prefix", "--file", "--solver"}}, holds("="), "NAME=VERSION"}
	composer = manager{[]string{"require", "global"}, nil, options{"d", []string{"--working-dir"}}, holds(":"), "NAME:VERSION"}
	pacman   = manager{nil, nil, options{"rb", nil}, func(string, [][2]string) bool { return false }, "a dated archive of the repository"}
)

// managers are the package managers by their programs' names.
var managers = map[string]manager{
	"apt-get": apt, "apt": apt, "aptitude": apt, "yum": yum, "dnf": yum, "dnf5": yum, "microdnf": yum, "tdnf": yum,
	"apk": apk, "zypper": zypper, "pip": pip, "pipx": pip, "npm": npm, "pnpm": npm, "yarn": npm, "gem": gem,
	"go": goTool, "cargo": cargo, "conda": conda, "mamba": conda, "micromamba": conda, "composer": composer, "pacman": pacman,
}

func holds(signs ...string) func(string, [][2]string) bool {
	return func(name string, _ [][2]string) bool {
		return slices.ContainsFunc(signs, func(s string) bool { return strings.Contains(name, s) })
	}
}

var (
	// rpmNamed are NAME-VERSION with a dot in the version, and
	// NAME-VERSION-RELEASE; names can end in a number themselves.
	rpmNamed  = regexp.MustCompile(`-\d+\.[^-]*(-\d[^-]*)?$|-\d[^-]*-\d[^-]*$`)
	npmNamed  = regexp.MustCompile(`.@(npm:.*@)?v?\d+\.\d+\.\d+`)
	goNamed   = regexp.MustCompile(`@(v\d+\.\d+\.\d+|[0-9a-f]{12,})`)
	pipNumber = regexp.MustCompile(`^(pip|python)[0-9.]*$`)
)

func rpmVersion(name string, _ [][2]string) bool { return rpmNamed.MatchString(name) }

// pipVersion also takes a URL with a sum or a whole commit id.
func pipVersion(name string, _ [][2]string) bool {
	_, at, _ := strings.Cut(name, "://")
	_, commit, _ := strings.Cut(at, "@")
	commit, _, _ = strings.Cut(commit, "#")
	return strings.Contains(name, "==") || strings.Contains(name, "#sha256=") || commitID.MatchString(commit)
}

func npmVersion(name string, _ [][2]string) bool {
	_, commit, _ := strings.Cut(name, "#")
	return npmNamed.MatchString(name) || commitID.MatchString(commit)
}

func gemVersion(name string, flags [][2]string) bool {
	return strings.Contains(name, ":") || has(flags, "-v", "--version")
}

func goVersion(name string, _ [][2]string) bool { return goNamed.MatchString(name) }

func cargoVersion(name string, flags [][2]string) bool {
	return strings.Contains(name, "@") || has(flags, "--version", "--vers", "--rev")
}

// install looks at a command of a package manager.
func (s *script) install(name string, args []string, line int) {
	switch {
	case pipNumber.MatchString(name) && strings.HasPrefix(name, "pip"):
		name = "pip"
	case strings.HasPrefix(name, "python") && len(args) > 1 && args[0] == "-m" && args[1] == "pip":
		name, args = "pip", args[2:]
	case name == "uv" && len(args) > 1 && args[0] == "pip":
		name, args = "pip", args[1:]
	}
	m, ok := managers[name]
	if !ok {
		return
	}
	rest, flags := m.options.parse(args)
	if name == "pacman" {
		s.pacman(rest, flags, line)
		return
	}
	if len(rest) == 0 {
		return
	}
	command, names := rest[0], rest[1:]
	if command == "global" && len(names) > 0 {
		command, names = names[0], names[1:]
		if command != "add" && command != "require" {
			return
		}
	} else if slices.Contains(m.upgrade, command) {
		s.in.add(Upgrade, line, name+" "+command+" takes whatever is newest", "build on a newer base instead, and name it by digest")
		return
	} else if !slices.Contains(m.install, command) || command == "global" {
		return
	}
	s.installs(m, name, names, flags, line)
}

// pacman installs with -S and upgrades with -u; it knows the newest only.
func (s *script) pacman(names []string, flags [][2]string, line int) {
	if !has(flags, "-S", "--sync") {
		return
	}
	if has(flags, "-u", "--sysupgrade") {
		s.in.add(Upgrade, line, "pacman -Su takes whatever is newest", "build on a newer base instead, and name it by digest")
	}
	s.installs(pacman, "pacman", names, nil, line)
}

// maxNames is how many packages a fact names.
const maxNames = 6

// installs judges the packages that are installed. Files, groups of what a
// variable holds, and names that only a program knows are not judged.
func (s *script) installs(m manager, name string, packages []string, flags [][2]string, line int) {
	var open []string
	for _, p := range packages {
		switch {
		case p == "" || strings.HasPrefix(p, ".") || strings.HasPrefix(p, "/") || strings.HasPrefix(p, "$") || isPackageFile(p):
		case strings.HasPrefix(p, "so:") || strings.HasPrefix(p, "!") || name != "apk" && strings.HasSuffix(p, "-") && m.example == apt.example:
		case m.pinned(p, flags):
			s.in.pinned(Packages)
		case strings.Contains(p, "://") && strings.HasPrefix(p, "http") && name != "pip":
			s.in.fetched(&download{line: line, by: name, url: p})
		default:
			open = append(open, p)
		}
	}
	if len(open) == 0 {
		return
	}
	shown := strings.Join(open[:min(len(open), maxNames)], ", ")
	if more := len(open) - maxNames; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	s.in.add(Packages, line, name+" installs "+shown+" in whatever version there is", "name versions: "+m.example)
}

// isPackageFile reports whether a name is that of a file that holds a package.
func isPackageFile(name string) bool {
	if strings.Contains(name, "://") {
		return false
	}
	return slices.ContainsFunc([]string{".deb", ".rpm", ".apk", ".whl", ".tar.gz", ".tgz", ".zip", ".gem"},
		func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}
