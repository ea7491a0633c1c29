package dockerfile

import (
	"fmt"
	"slices"
	"strings"
)

// buildah writes an instruction into history as it stands in the file, flags
// and all, variables not expanded; except for what is below.

const buildahNop = "/bin/sh -c #(nop) "

func buildahText(_ *state, v *value) []string {
	return []string{buildahNop + v.original}
}

// buildahArg names every argument that has a value; the instruction itself in
// versions before 1.24.
func buildahArg(s *state, v *value) []string {
	var names []string
	for _, a := range s.args {
		if s.value[a.key] != nil && !slices.Contains(names, a.key) {
			names = append(names, a.key)
		}
	}
	slices.Sort(names)
	return append([]string{buildahNop + "ARG " + strings.Join(names, " ")}, buildahText(s, v)...)
}

// buildahCopy has the content's hash and the destination as written.
func buildahCopy(name string) func(*state, *value) []string {
	return func(_ *state, v *value) []string {
		tail := Hash + " in " + v.copy.raw + " "
		out := []string{buildahNop + name + " " + tail}
		if v.copy.Link {
			out = append(out, buildahNop+name+" --link "+tail)
		}
		return out
	}
}

// buildahRun is behind /bin/sh -c whatever SHELL says, flags before the
// command. The texts of here-documents follow, and in newer versions the digest
// of each mount of files that are not a stage's.
func buildahRun(s *state, v *value) []string {
	command := "/bin/sh -c " + v.original[min(len("RUN "), len(v.original)):]
	for _, doc := range v.docs {
		command += "\n" + strings.TrimSpace(doc)
	}
	var out []string
	for _, inForce := range []bool{false, true} {
		text := s.buildahArgs(inForce) + command
		for n := range v.mounts + 1 {
			out = append(out, text+strings.Repeat(":"+MountDigest, n))
		}
	}
	return out
}

// buildahArgs are the arguments that buildah writes before a command: those
// with a value, sorted, and the number of their words. Newer versions write
// the value in force.
func (s *state) buildahArgs(inForce bool) string {
	var pairs []string
	for key, value := range s.value {
		if value == nil {
			continue
		}
		text := *value
		if v, ok := s.env[key]; ok && inForce {
			text = v
		}
		pairs = append(pairs, key+"="+text)
	}
	if len(pairs) == 0 {
		return ""
	}
	slices.Sort(pairs)
	all := strings.Join(pairs, " ")
	return fmt.Sprintf("|%d %s ", strings.Count(all, " ")+1, all)
}
