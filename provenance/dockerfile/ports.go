package dockerfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// maxPorts bounds the ports that one EXPOSE may name: every port, twice.
const maxPorts = 1 << 17

func expandExpose(s *state, c instructions.Command) (*value, error) {
	v := &value{}
	for _, word := range c.(*instructions.ExposeCommand).Ports {
		words, err := s.expandWords(word)
		if err != nil {
			return nil, err
		}
		v.words = append(v.words, words...)
	}
	for _, word := range v.words {
		ports, err := expandPorts(word)
		if err != nil {
			return nil, err
		}
		if v.ports = append(v.ports, ports...); len(v.ports) > maxPorts {
			return nil, fmt.Errorf("EXPOSE names more than %d ports", maxPorts)
		}
	}
	for _, p := range v.ports {
		s.config.addPort(p)
	}
	return v, nil
}

// expandPorts reads [[ip:]host:]port[-port][/protocol]; what stands before the
// container's port does not count.
func expandPorts(word string) ([]string, error) {
	spec := word[strings.LastIndexByte(word, ':')+1:]
	numbers, protocol, _ := strings.Cut(spec, "/")
	protocol = strings.ToLower(protocol)
	if protocol == "" {
		protocol = "tcp"
	}
	if strings.Contains(word, mark) {
		return []string{numbers + "/" + protocol}, nil
	}
	if !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
		return nil, fmt.Errorf("EXPOSE %q: unknown protocol", word)
	}
	first, last, ranged := strings.Cut(numbers, "-")
	if !ranged {
		last = first
	}
	low, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("EXPOSE %q: not a port", word)
	}
	high, err := strconv.ParseUint(last, 10, 16)
	if err != nil || high < low {
		return nil, fmt.Errorf("EXPOSE %q: not a range of ports", word)
	}
	var out []string
	for n := low; n <= high; n++ {
		out = append(out, strconv.FormatUint(n, 10)+"/"+protocol)
	}
	return out, nil
}

// portsList is BuildKit's since 0.20.
func portsList(v *value) string { return fmt.Sprintf("EXPOSE %v", v.ports) }

// portsText is that of Docker up to 17.06: parsed, sorted, each once.
func portsText(v *value) string { return "EXPOSE " + strings.Join(sortedPorts(v), " ") }

// portsMap is that of Docker before 1.5 and of older BuildKit, which print a map.
func portsMap(v *value) string {
	ports := sortedPorts(v)
	for i := range ports {
		ports[i] += ":{}"
	}
	return fmt.Sprintf("EXPOSE map%v", ports)
}

func sortedPorts(v *value) []string {
	ports := slices.Clone(v.ports)
	slices.Sort(ports)
	return slices.Compact(ports)
}
