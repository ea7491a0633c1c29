package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/imageverify/verify/checksums/sums"
	"github.com/imageverify/verify/internal/network"
)

// maxKey bounds what a key server may answer, in bytes.
const maxKey = 1 << 20

// keyAnswer is what looking for one key gave.
type keyAnswer struct {
	ring *sums.Keyring
	err  error
}

// keyringFor is the keys at hand for a distributor: those that were given, those
// in the cache, and of pinned keys that are in neither what a key server has.
// The error says why a key could not be had; what there is counts all the same.
func (s *session) keyringFor(ctx context.Context, d sums.Distributor) (*sums.Keyring, error) {
	s.keyMu.Lock()
	defer s.keyMu.Unlock()
	ring := s.keyring
	var errs []string
	for _, k := range d.Keys {
		answer, ok := s.keys[k.Fingerprint]
		if !ok {
			answer.ring, answer.err = s.lookForKey(ctx, k)
			s.keys[k.Fingerprint] = answer
		}
		ring = sums.Join(ring, answer.ring)
		if answer.err != nil && !errors.Is(answer.err, network.ErrOffline) {
			errs = append(errs, answer.err.Error())
		}
	}
	if len(errs) > 0 {
		return ring, errors.New(strings.Join(errs, "; "))
	}
	return ring, nil
}

// lookForKey looks for a pinned key in the cache and then on the network. A copy
// in the cache is asked for again when it is older than keyFresh, so that a
// revocation becomes known; the two are joined, so that none is lost again. For a
// key that was given, only the cache is asked.
func (s *session) lookForKey(ctx context.Context, k sums.Key) (*sums.Keyring, error) {
	kept, when := s.kept(keptKey, k.Fingerprint)
	old := readKey(kept, k)
	if s.keyring.Has(k.Fingerprint) || old != nil && fresh(when, keyFresh) {
		return old, nil
	}
	now, err := s.fetchKey(ctx, k)
	if err != nil && old != nil {
		return old, nil
	}
	if err != nil {
		return nil, err
	}
	merged := sums.Join(now, old).Merged(k.Fingerprint)
	s.keep(keptKey, k.Fingerprint, merged)
	return readKey(merged, k), nil
}

// fetchKey asks the key's addresses for it, one after the other. What they give
// counts by its fingerprint alone.
func (s *session) fetchKey(ctx context.Context, k sums.Key) (*sums.Keyring, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var errs []error
	for _, address := range k.Addresses() {
		data, err := s.get(ctx, address, maxKey)
		if err == nil {
			if ring := readKey(data, k); ring != nil {
				return ring, nil
			}
			err = fmt.Errorf("%s: it does not give the key %s", address, k.Fingerprint)
		}
		errs = append(errs, err)
	}
	return nil, joinLines(errs)
}

// readKey reads the pinned key out of an answer or a record; nil where it is not
// in it, or cannot be used.
func readKey(data []byte, k sums.Key) *sums.Keyring {
	ring, err := sums.ReadKeyring(bytes.NewReader(data))
	if err != nil || !ring.Usable(k.Fingerprint) {
		return nil
	}
	return ring.Of(k.Fingerprint)
}

// joinedError is several errors in one line.
type joinedError []error

func (e joinedError) Error() string {
	texts := make([]string, len(e))
	for i, err := range e {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (e joinedError) Unwrap() []error { return e }

func joinLines(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return joinedError(errs)
}
