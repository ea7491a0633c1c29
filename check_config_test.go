package verify

import (
	"reflect"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/dockerfile"
)

func TestBuildahsConfigsMayLackWhatOCIHasNoFieldFor(t *testing.T) {
	health := &v1.HealthConfig{Test: []string{"NONE"}}
	full := v1.Config{Healthcheck: health, OnBuild: []string{"RUN x"}, Shell: []string{"sh"}}
	signed := map[string]string{"io.buildah.version": "1.28.2"}
	tests := []struct {
		name            string
		want, got, take v1.Config
	}{
		{"none of it", full, v1.Config{Labels: signed}, v1.Config{Labels: signed}},
		{"but not some of it", full, v1.Config{Healthcheck: health}, full},
	}
	for _, test := range tests {
		takeBuildahs(&test.want, test.got)
		if !reflect.DeepEqual(test.want, test.take) {
			t.Errorf("%s: %+v, want %+v", test.name, test.want, test.take)
		}
	}
}

func TestOnlyACommandIsMarkedAsEscaped(t *testing.T) {
	for text, want := range map[string]bool{"CMD x": true, "ENV A=1": false} {
		f, err := dockerfile.Parse([]byte("FROM scratch\n" + text + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := f.Evaluate(dockerfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := escaped(b, v1.Config{}, v1.Config{ArgsEscaped: true}); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
