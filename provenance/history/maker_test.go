package history

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestImagesThatNoDockerfileMadeNameTheirMaker(t *testing.T) {
	bazel := v1.History{CreatedBy: "bazel build //base:static", Author: "Bazel"}
	tests := []struct {
		name, want string
		entries    []v1.History
		labels     map[string]string
	}{
		{"by ko", "ko", []v1.History{bazel, {CreatedBy: "ko build ko://example.com/app", Author: "github.com/ko-build/ko", Comment: "go build output, at /ko-app/app"}}, nil},
		{"by Jib on a base of Bazel's", "Jib", []v1.History{bazel, {CreatedBy: "jib-maven-plugin:3.4.0", Author: "Jib", Comment: "classes"}}, nil},
		{"by Bazel", "Bazel", []v1.History{bazel}, nil},
		{"by apko", "apko", []v1.History{{CreatedBy: "apko", Comment: "This is an apko single-layer image"}}, nil},
		{"by Nix", "Nix", []v1.History{{Comment: "store paths: ['/nix/store/abc-bash-5.2']"}}, nil},
		{"by buildpacks, told by the label", "Cloud Native Buildpacks", []v1.History{{CreatedBy: ""}}, map[string]string{"io.buildpacks.lifecycle.metadata": "{}"}},
		{"by kaniko", "kaniko", []v1.History{{CreatedBy: "RUN x", Author: "kaniko"}}, nil},
		{"by an import", "docker import", []v1.History{{Comment: "Imported from -"}}, nil},
		{"by the classic builder on a base of Bazel's", "", append([]v1.History{bazel}, classic("  ENV A=1")...), nil},
		{"by BuildKit", "", buildkit("COPY a / # buildkit"), nil},
		{"by nobody who says so", "", nil, map[string]string{"maintainer": "ko"}},
	}
	for _, test := range tests {
		maker, ok := MadeBy(test.entries, test.labels)
		if maker.Name != test.want || ok != (test.want != "") || ok && maker.Sign == "" {
			t.Errorf("%s: %+v (%v), want %q", test.name, maker, ok, test.want)
		}
	}
}
