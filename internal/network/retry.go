package network

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	maxTries = 3
	// firstBackoff is the wait after the first try; each later one is four
	// times the one before it.
	firstBackoff = 250 * time.Millisecond
	// maxRetryAfter is the longest wait that a server may ask for. One that
	// wants more has said no for now, and its answer is the result.
	maxRetryAfter = 30 * time.Second
	// maxDiscard is how much of an unwanted answer is read to keep its
	// connection.
	maxDiscard = 64 << 10
)

// retryWait decides whether a try is made again, and after what time.
func retryWait(req *http.Request, resp *http.Response, err error, try int) (time.Duration, bool) {
	if try >= maxTries || !repeatable(req) || req.Context().Err() != nil {
		return 0, false
	}
	if err != nil {
		return backoff(try), isReset(err)
	}
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return backoff(try), true
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		wait, asked := retryAfter(resp.Header.Get("Retry-After"), time.Now())
		if !asked {
			wait = backoff(try)
		}
		return wait, wait <= maxRetryAfter
	}
	return 0, false
}

// repeatable reports whether a request can be sent twice: it changes nothing
// and has no body.
func repeatable(req *http.Request) bool {
	reads := req.Method == "" || req.Method == http.MethodGet || req.Method == http.MethodHead
	return reads && (req.Body == nil || req.Body == http.NoBody)
}

// isReset reports whether the connection was cut before an answer came.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNABORTED) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// backoff is the wait after a try, up to a quarter longer or shorter, so that
// programs that failed together do not come back together.
func backoff(try int) time.Duration {
	wait := firstBackoff << (2 * (try - 1))
	return wait*3/4 + rand.N(wait/2)
}

// retryAfter reads a Retry-After header, seconds or a date. It reports false
// for one that is neither.
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if when, err := http.ParseTime(value); err == nil {
		return max(when.Sub(now), 0), true
	}
	return 0, false
}

// discard reads the rest of a response, if it is short, so that its connection
// is kept.
func discard(resp *http.Response) {
	if resp != nil {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDiscard)
		resp.Body.Close()
	}
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// logTry writes one line about one try.
func (t *Transport) logTry(req *http.Request, resp *http.Response, err error, took time.Duration) {
	if !t.log.Enabled(req.Context(), slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{slog.String("method", req.Method), slog.String("url", Redact(req.URL)), slog.Duration("took", took)}
	if err != nil {
		attrs = append(attrs, slog.String("error", RedactError(err).Error()))
	} else {
		attrs = append(attrs, slog.Int("status", resp.StatusCode))
	}
	t.log.LogAttrs(req.Context(), slog.LevelDebug, "request", attrs...)
}
