package provenance

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/source"
)

func TestADockerfileIsReadUpToItsBound(t *testing.T) {
	fsys := fstest.MapFS{"fits": {Data: make([]byte, dockerfile.MaxSize)}, "over": {Data: make([]byte, dockerfile.MaxSize+1)}}
	if data, err := ReadDockerfile(fsys, "fits"); err != nil || len(data) != dockerfile.MaxSize {
		t.Errorf("at the bound: %d bytes, %v", len(data), err)
	}
	var limit *source.LimitError
	if _, err := ReadDockerfile(fsys, "over"); !errors.As(err, &limit) || limit.Limit != dockerfile.MaxSize {
		t.Errorf("a byte more: %v", err)
	}
}
