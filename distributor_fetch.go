package verify

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	// maxRedirects is how often a distributor's or key server's answer may send
	// elsewhere.
	maxRedirects = 5
	// askTimeout bounds all that is asked of others for one archive or key: an
	// answer makes a finding better, and none is waited for long.
	askTimeout = 20 * time.Second
	// keptVersion is the version of the form of what is kept of them.
	keptVersion = 1
)

// Kinds of records of what was fetched, and how long each is used before it is
// asked for again.
const (
	keptList  = "published-list"
	keptKey   = "openpgp-key"
	listFresh = 7 * 24 * time.Hour
	keyFresh  = 7 * 24 * time.Hour
)

// statusError is an answer that holds nothing.
type statusError struct {
	host string
	code int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s answers %d %s", e.host, e.code, http.StatusText(e.code))
}

// notThere reports whether err is the answer that something does not exist.
func notThere(err error) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && (e.code == http.StatusNotFound || e.code == http.StatusGone)
}

// notAnsweredError says that an address gave no answer that can be used.
type notAnsweredError struct {
	address string
	err     error
}

func (e *notAnsweredError) Error() string { return e.address + ": " + e.err.Error() }
func (e *notAnsweredError) Unwrap() error { return e.err }

// get fetches a file of at most limit bytes from an address of the table of
// distributors, through the run's one transport. Errors are a *notAnsweredError.
func (s *session) get(ctx context.Context, address string, limit int64) ([]byte, error) {
	data, err := s.tryGet(ctx, address, limit)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // the address stands in the message
	}
	if err != nil {
		return nil, &notAnsweredError{address, err}
	}
	return data, nil
}

func (s *session) tryGet(ctx context.Context, address string, limit int64) ([]byte, error) {
	client := &http.Client{Transport: s.transport, CheckRedirect: checkRedirect}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, &statusError{res.Request.URL.Host, res.StatusCode}
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return data, err
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	if req.URL.Scheme != "https" {
		return errors.New("it redirects to an address that is not https")
	}
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	return nil
}

// kept returns what was kept under a key, and when it was fetched; nil for
// nothing.
func (s *session) kept(kind, key string) ([]byte, time.Time) {
	data, err := s.cache.Get(kind, keptVersion, key)
	if err != nil || len(data) < 8 {
		return nil, time.Time{}
	}
	return data[8:], time.Unix(int64(binary.BigEndian.Uint64(data)), 0).UTC()
}

// keep keeps what was fetched now. Where it cannot, it is fetched again.
func (s *session) keep(kind, key string, data []byte) {
	stamped := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Unix()))
	if err := s.cache.Put(kind, keptVersion, key, append(stamped, data...)); err != nil && s.options.Log != nil {
		s.options.Log.Debug("not kept", "kind", kind, "key", key, "error", err)
	}
}

// fresh reports whether something fetched at a time need not be asked for again.
// A time still to come is no reason not to.
func fresh(when time.Time, life time.Duration) bool {
	age := time.Since(when)
	return age >= 0 && age < life
}

// getKept is get with a copy in the cache, which stands in where nobody answers.
// when is the time of a copy, zero for a fresh answer.
func (s *session) getKept(ctx context.Context, address string, limit int64) (data []byte, when time.Time, err error) {
	old, when := s.kept(keptList, address)
	if old != nil && fresh(when, listFresh) {
		return old, when, nil
	}
	if data, err = s.get(ctx, address, limit); err == nil {
		s.keep(keptList, address, data)
		return data, time.Time{}, nil
	}
	if old != nil {
		return old, when, nil
	}
	return nil, time.Time{}, err
}
