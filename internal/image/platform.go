package image

import (
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// architectures maps the names that machines and older tools use to those of
// the image specification, which are Go's. One that is whole says the variant
// too: another one beside it does not count, as it does not for containerd.
var architectures = map[string]struct {
	arch, variant string
	whole         bool
}{
	"aarch64": {"arm64", "", false},
	"x86_64":  {"amd64", "", false},
	"x86-64":  {"amd64", "", false},
	"i386":    {"386", "", true},
	"i486":    {"386", "", true},
	"i586":    {"386", "", true},
	"i686":    {"386", "", true},
	"armhf":   {"arm", "v7", true},
	"armel":   {"arm", "v6", true},
}

// DefaultPlatform is the platform that an index is searched for when the user
// names none: linux on the architecture that this program runs on.
func DefaultPlatform() v1.Platform {
	return NormalizePlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH})
}

// NormalizePlatform returns p in the one spelling that platforms are compared
// in: aarch64, arm64 and arm64/v8 become arm64/v8; arm becomes arm/v7; x86_64
// and amd64/v1 become amd64; i386 becomes 386.
func NormalizePlatform(p v1.Platform) v1.Platform {
	p.OS = strings.ToLower(p.OS)
	p.Architecture = strings.ToLower(p.Architecture)
	p.Variant = normalVariant(p.Variant)
	if known, ok := architectures[p.Architecture]; ok {
		p.Architecture = known.arch
		if known.whole || p.Variant == "" {
			p.Variant = known.variant
		}
	}
	switch {
	case p.Architecture == "arm64" && p.Variant == "":
		p.Variant = "v8"
	case p.Architecture == "arm" && p.Variant == "":
		p.Variant = "v7"
	case p.Architecture == "amd64" && p.Variant == "v1":
		p.Variant = ""
	}
	return p
}

// normalVariant gives a bare number the "v" that it lacks.
func normalVariant(v string) string {
	v = strings.ToLower(v)
	if len(v) == 1 && v[0] >= '0' && v[0] <= '9' {
		return "v" + v
	}
	return v
}

// SamePlatform reports whether a and b name one platform, after normalisation.
// An OS version counts only where both have one; features do not count.
func SamePlatform(a, b v1.Platform) bool {
	a, b = NormalizePlatform(a), NormalizePlatform(b)
	if a.OSVersion != "" && b.OSVersion != "" && a.OSVersion != b.OSVersion {
		return false
	}
	return a.OS == b.OS && a.Architecture == b.Architecture && a.Variant == b.Variant
}

// Contradicts reports whether a config's platform speaks against the one that a
// descriptor or the user names. What the config leaves out contradicts nothing.
func Contradicts(config, named v1.Platform) bool {
	filled := config
	if filled.OS == "" {
		filled.OS = named.OS
	}
	if filled.Architecture == "" {
		filled.Architecture = named.Architecture
	}
	if filled.Variant == "" && sameArchitecture(filled, named) {
		filled.Variant = NormalizePlatform(named).Variant
	}
	return !SamePlatform(filled, named)
}

// sameArchitecture compares what is left of two platforms without variants.
func sameArchitecture(a, b v1.Platform) bool {
	return NormalizePlatform(a).Architecture == NormalizePlatform(b).Architecture
}

// hasPlatform reports whether a descriptor names a platform at all.
func hasPlatform(d v1.Descriptor) bool {
	return d.Platform != nil && (d.Platform.OS != "" || d.Platform.Architecture != "")
}

// wanted returns the platform to look for.
func (o Options) wanted() v1.Platform {
	if o.Platform == nil {
		return DefaultPlatform()
	}
	return *o.Platform
}
