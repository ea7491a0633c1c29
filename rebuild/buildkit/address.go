package buildkit

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/buildkit/client/connhelper"
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer" // docker-container://
	_ "github.com/moby/buildkit/client/connhelper/kubepod"         // kube-pod://
	_ "github.com/moby/buildkit/client/connhelper/ssh"             // ssh://
)

// Config says how builders are reached.
type Config struct {
	// TLS is for addresses that begin with tcp://.
	TLS TLS
	// Getenv reads the environment, for builders at the usual places; nil reads
	// none.
	Getenv func(string) string
	// Offline refuses builders that are not on this machine.
	Offline bool
	// Patience is how long a builder may take to say what it can do, or that it
	// is still there; 0 is DefaultPatience.
	Patience time.Duration
	// Display shows a build while it goes; nil shows nothing.
	Display Display
	// Log is told which program is run to reach a builder; nil: nothing is.
	Log *slog.Logger
}

// DefaultPatience is how long a builder may take to answer.
const DefaultPatience = 20 * time.Second

func (c Config) patience() time.Duration { return cmp.Or(c.Patience, DefaultPatience) }

// TLS names the files of a connection by TLS as buildctl does. Without a CA
// certificate the system's are trusted; without any of the four there is no TLS.
type TLS struct{ CACert, Cert, Key, ServerName string }

func (t TLS) used() bool { return t != TLS{} }

// The sockets that builders listen on unless told otherwise.
const (
	defaultSocket = "unix:///run/buildkit/buildkitd.sock"
	dockerSocket  = "unix:///var/run/docker.sock"
)

// helpers are the programs that reach a builder for this one, by scheme.
var helpers = map[string]string{"docker-container": "docker", "kube-pod": "kubectl", "ssh": "ssh"}

// Kinds of addresses that say what listens there: of a Docker Engine, its
// BuildKit or its classic builder.
const (
	engineKind  = "docker+"
	classicKind = "classic+"
)

// Classic is the address of the classic builder of the Docker Engine at an
// address of the form unix://PATH or tcp://HOST:PORT; "" is Docker's socket.
func Classic(address string) string { return classicKind + cmp.Or(address, dockerSocket) }

// usualPlaces are the addresses at which a builder may be expected, of which
// something is there.
func (c Config) usualPlaces() []string {
	if c.Getenv == nil {
		return nil
	}
	if host := c.Getenv("BUILDKIT_HOST"); host != "" {
		return []string{host}
	}
	if listens(defaultSocket) {
		return []string{defaultSocket}
	}
	if host := c.Getenv("DOCKER_HOST"); host != "" {
		return []string{engineKind + host}
	}
	if listens(dockerSocket) {
		return []string{engineKind + dockerSocket}
	}
	return nil
}

func listens(socket string) bool {
	info, err := os.Stat(strings.TrimPrefix(socket, "unix://"))
	return err == nil && info.Mode()&os.ModeSocket != 0
}

// newBuilder is the builder at an address: unix://PATH, tcp://HOST:PORT,
// docker-container://NAME, kube-pod://NAME or ssh://HOST for BuildKit,
// docker+ADDRESS for the BuildKit of a Docker Engine, classic+ADDRESS for its
// classic builder. The path of a unix socket that ends in docker.sock is taken
// for an engine's.
func (c Config) newBuilder(address string) (builder, error) {
	if rest, ok := strings.CutPrefix(address, classicKind); ok {
		e, err := c.newEngine(rest)
		return &classic{e}, err
	}
	rest, engine := strings.CutPrefix(address, engineKind)
	u, err := parseAddress(rest)
	if err != nil {
		return nil, err
	}
	if engine || u.Scheme == "unix" && filepath.Base(u.Path) == "docker.sock" {
		e, err := c.newEngine(rest)
		return &daemon{name: u.Redacted(), engine: e, config: c}, err
	}
	if err := c.mayReach(u); err != nil {
		return nil, err
	}
	if helpers[u.Scheme] != "" {
		if _, err := connhelper.GetConnectionHelper(rest); err != nil {
			return nil, fmt.Errorf("%s: %w", u.Redacted(), err)
		}
	}
	return &daemon{name: u.Redacted(), dial: rest, scheme: u.Scheme, config: c}, nil
}

func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil { // its text holds the address, with a password if there is one
		return nil, fmt.Errorf("a builder's address cannot be parsed")
	}
	_, password := u.User.Password()
	known := u.Scheme == "unix" && u.Path != "" || u.Host != "" && (u.Scheme == "tcp" || helpers[u.Scheme] != "")
	switch {
	case !known:
		return nil, fmt.Errorf("%q is no builder's address: want unix://PATH, tcp://HOST:PORT, docker-container://NAME, kube-pod://NAME or ssh://HOST", u.Redacted())
	case password || u.User != nil && u.Scheme != "ssh":
		return nil, fmt.Errorf("%s: a builder's address holds no credentials", u.Redacted())
	}
	return u, nil
}

// mayReach refuses what is not on this machine where that is asked for.
func (c Config) mayReach(u *url.URL) error {
	if !c.Offline || u.Scheme == "unix" || u.Scheme == "docker-container" {
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "tcp" && (u.Hostname() == "localhost" || ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("%s: --offline allows no builder but on this machine", u.Redacted())
}
