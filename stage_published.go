package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/imageverify/verify/checksums/sums"
	"github.com/imageverify/verify/provenance"
)

// publishedFact is what the list at a distributor's own address says of an
// archive.
type publishedFact struct {
	// address is the list's; "" where it was not asked. when is the time of a
	// copy in the cache, zero for an answer of this run.
	address string
	when    time.Time
	result  sums.Result
	// err says why the list tells nothing.
	err error

	// signature is the signature's address, "" for none, over names what it is
	// over; signed or signatureErr is what came of it.
	signature    string
	over         string
	signed       sums.SignatureResult
	signatureErr error
}

// agrees reports whether the list was read and has the archive's sum.
func (p publishedFact) agrees() bool {
	return p.address != "" && p.err == nil && p.result.Status == sums.ListedAndEqual
}

// askDistributor compares an archive with the list at the distributor's own
// address, where none of the commit tells enough: there is none, or it comes from
// the same hands as the archive.
func (s *session) askDistributor(ctx context.Context, a *provenance.Attempt, fact *sumFact) {
	list, ok := fact.distributor.PublishedOf(fact.name)
	same := fact.listErr == nil && fact.archiveErr == nil && fact.result.Status == sums.ListedAndEqual && !fact.independent()
	if !ok || !same && !errors.Is(fact.listErr, errListAbsent) {
		return
	}
	address, signature, ok := list.URLs(fact.name, provenance.Serial(a))
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	fact.published = s.readPublished(ctx, a, *fact, list, publishedFact{address: address, signature: signature, over: address})
}

// readPublished fetches a list and its signature, and compares the archive with
// both.
func (s *session) readPublished(ctx context.Context, a *provenance.Attempt, fact sumFact, list sums.List, p publishedFact) publishedFact {
	if list.Signs == sums.OverArchive {
		p.over = fact.name
	}
	var text []byte
	text, p.when, p.err = s.getKept(ctx, p.address, maxList)
	switch {
	case p.err == nil && sums.IsClearSigned(text):
		p.signature = p.address
		text, p.signed, p.signatureErr = s.clearSigned(ctx, text, fact.distributor)
		p.err = p.signatureErr
	case p.signature != "" && p.err != nil && list.Signs == sums.OverList:
		p.signatureErr = p.err
	case p.signature != "":
		p.signed, p.signatureErr = s.publishedSignature(ctx, a, fact, list, text, p.signature)
	}
	if p.err != nil {
		return p
	}
	archive, err := s.openArchive(a, fact)
	if err != nil {
		p.err = err
		return p
	}
	defer archive.Close()
	p.result, p.err = sums.Check(ctx, bytes.NewReader(text), list.Name(a.Directory, fact.name), archive)
	return p
}

// openArchive opens what was compared with the list of the commit.
func (s *session) openArchive(a *provenance.Attempt, fact sumFact) (io.ReadCloser, error) {
	for _, f := range s.objects {
		if f.name == fact.object {
			return io.NopCloser(f.read()), nil
		}
	}
	return a.Tree.Open(fact.name)
}

// clearSigned verifies a list that holds its own signature, and returns what is
// signed of it.
func (s *session) clearSigned(ctx context.Context, file []byte, d sums.Distributor) ([]byte, sums.SignatureResult, error) {
	ring, ringErr := s.keyringFor(ctx, d)
	text, result, err := sums.VerifyClearSigned(ctx, file, ring, d, time.Now())
	return text, result, withKeyErr(err, ringErr)
}

// publishedSignature verifies the signature at a distributor's address, over the
// list there or over the archive itself.
func (s *session) publishedSignature(ctx context.Context, a *provenance.Attempt, fact sumFact, list sums.List, text []byte, address string) (sums.SignatureResult, error) {
	signature, _, err := s.getKept(ctx, address, maxSignature)
	if err != nil {
		return sums.SignatureResult{}, err
	}
	var signed io.Reader = bytes.NewReader(text)
	if list.Signs == sums.OverArchive {
		archive, err := s.openArchive(a, fact)
		if err != nil {
			return sums.SignatureResult{}, err
		}
		defer archive.Close()
		signed = archive
	}
	return s.verifySignature(ctx, signed, signature, fact.distributor)
}

// verifySignature verifies a detached signature with the distributor's keys. Of
// a key that is absent the error says why it could not be had.
func (s *session) verifySignature(ctx context.Context, signed io.Reader, signature []byte, d sums.Distributor) (sums.SignatureResult, error) {
	ring, ringErr := s.keyringFor(ctx, d)
	result, err := sums.VerifySignature(ctx, signed, signature, ring, d, time.Now())
	return result, withKeyErr(err, ringErr)
}

func withKeyErr(err, ringErr error) error {
	if ringErr != nil && errors.Is(err, sums.ErrKeyAbsent) {
		return fmt.Errorf("%w (%v)", err, ringErr)
	}
	return err
}
