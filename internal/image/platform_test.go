package image

import (
	"runtime"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestPlatformsAreComparedAfterNormalisation(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"linux/arm64", "linux/arm64/v8", true},
		{"linux/aarch64", "linux/arm64/v8", true},
		{"linux/aarch64", "linux/arm64", true},
		{"linux/arm64/v8", "linux/arm64/v9", false},
		{"linux/arm", "linux/arm/v7", true},
		{"linux/arm", "linux/arm/v6", false},
		{"linux/arm/7", "linux/arm/v7", true},
		{"linux/armhf", "linux/arm", true},
		{"linux/armhf/v6", "linux/arm/v7", true},
		{"linux/armel/v7", "linux/arm/v6", true},
		{"linux/i386/v1", "linux/386", true},
		{"linux/x86_64/v3", "linux/amd64/v3", true},
		{"linux/x86_64", "linux/amd64", true},
		{"linux/amd64/v1", "linux/amd64", true},
		{"linux/amd64/v2", "linux/amd64", false},
		{"linux/i386", "linux/386", true},
		{"Linux/AMD64", "linux/amd64", true},
		{"linux/amd64", "windows/amd64", false},
		{"linux/arm64", "linux/arm", false},
		{"windows/amd64:10.0.1", "windows/amd64:10.0.2", false},
		{"windows/amd64:10.0.1", "windows/amd64", true},
		{"linux/s390x", "linux/s390x", true},
	} {
		a, b := parsePlatform(t, c.a), parsePlatform(t, c.b)
		if SamePlatform(a, b) != c.same || SamePlatform(b, a) != c.same {
			t.Errorf("%s and %s the same: %v and %v, want %v", c.a, c.b, SamePlatform(a, b), SamePlatform(b, a), c.same)
		}
		if n := NormalizePlatform(a); NormalizePlatform(n).String() != n.String() {
			t.Errorf("%s normalises to %s, that to %s", c.a, n, NormalizePlatform(n))
		}
	}
}

func TestWhatAConfigLeavesOutContradictsNothing(t *testing.T) {
	for _, c := range []struct {
		config, named string
		want          bool
	}{
		{"linux/arm", "linux/arm/v6", false},
		{"linux/arm/v6", "linux/arm", true},
		{"linux/arm/v6", "linux/arm/v7", true},
		{"linux/arm64", "linux/arm64/v8", false},
		{"linux/arm64/v8", "linux/aarch64", false},
		{"linux/amd64", "linux/arm64", true},
		{"linux/amd64", "linux/amd64/v3", false},
		{"linux", "linux/s390x", false},
		{"linux", "windows/amd64", true},
		{"", "linux/s390x", false},
	} {
		if got := Contradicts(parsePlatform(t, c.config), parsePlatform(t, c.named)); got != c.want {
			t.Errorf("config %q contradicts %q: %v, want %v", c.config, c.named, got, c.want)
		}
	}
}

func TestDefaultPlatformIsLinuxOnThisArchitecture(t *testing.T) {
	if !SamePlatform(DefaultPlatform(), v1.Platform{OS: "linux", Architecture: runtime.GOARCH}) {
		t.Errorf("default platform %s", DefaultPlatform())
	}
}
