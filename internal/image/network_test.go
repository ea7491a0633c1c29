package image

import (
	"errors"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/imageverify/verify/internal/network"
)

func TestTheProgramsTransportReachesAMirror(t *testing.T) {
	f := newFixture(t)
	here := f.image(DefaultPlatform().String())
	s := serve(t, f, "library/alpine", map[string]v1.Descriptor{"1": f.index(f.image("plan9/386"), here)})
	mirrors := map[string]string{"docker.io": s.host()}
	set, err := openFor(t, "alpine:1", Options{Mirrors: mirrors, Transport: network.New(network.Options{Rewrite: mirrors})})
	if err != nil {
		t.Fatal(err)
	}
	wantDigests(t, set, here)
	if _, err := set.Images[0].Config(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTheNetworksReasonsAreFoundInErrors(t *testing.T) {
	_, err := openFor(t, "alpine:1", Options{Transport: network.New(network.Options{Offline: true})})
	if !errors.Is(err, network.ErrOffline) {
		t.Errorf("offline: %v", err)
	}
	s := serve(t, newFixture(t), "app", nil)
	_, err = openFor(t, s.name(":1"), Options{Transport: network.New(network.Options{})})
	if !errors.As(err, new(*network.HostError)) {
		t.Errorf("an address that is not allowed: %v", err)
	}
}
