package image

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/imageverify/verify/internal/network"
)

const (
	// tagListTimeout bounds the search for names near an unknown tag.
	tagListTimeout = 10 * time.Second
	// nearTags is how many of them a hint lists.
	nearTags = 5
	// maxTagLength is the longest tag that registries accept.
	maxTagLength = 128
	// maxDiagnosis bounds what a message repeats of a registry's own words.
	maxDiagnosis = 200
)

// unresolved says why a reference gave no manifest.
func (r *registry) unresolved(ctx context.Context, ref registryReference, err error) error {
	if !isNotFound(err) {
		return r.failed(err)
	}
	if ref.digest != (v1.Hash{}) {
		return &NotFoundError{What: "no image has the digest " + ref.digest.String(), Where: r.named,
			Advice: "check the repository's name and the digest"}
	}
	tags, listErr := r.tags(ctx)
	if hasCode(err, transport.NameUnknownErrorCode) || hasCode(listErr, transport.NameUnknownErrorCode) {
		return &NotFoundError{What: "no such repository", Where: r.named, Advice: "check the repository's name"}
	}
	return &NotFoundError{What: "no tag " + ref.tag, Where: r.named, Label: "near",
		Present: near(ref.tag, tags), Advice: "check the tag and the repository's name"}
}

// absent says why a digest that an index or manifest names was not given.
func (r *registry) absent(h v1.Hash, err error) error {
	if isNotFound(err) {
		return &AbsentError{What: h.String(), Where: r.named}
	}
	return r.failed(err)
}

// failed says why the registry did not answer, or what it answered.
func (r *registry) failed(err error) error {
	if known := (*RegistryError)(nil); errors.As(err, &known) {
		return err
	}
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return r.unreachable(err)
	}
	host := r.asked.RegistryStr()
	e := &RegistryError{Host: host, Status: answer.StatusCode, Err: err}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Problem = "not authorised to read " + r.asked.RepositoryStr()
		e.Advice = "the repository does not exist or needs a login: docker login " + host
	case http.StatusTooManyRequests:
		e.Problem = "too many requests"
		e.Advice = "try again later, or log in: docker login " + host
	default:
		e.Problem = fmt.Sprintf("answered %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
		e.Advice = "try again later"
	}
	e.Problem += prefixed(": ", diagnosis(answer))
	return e
}

// unreachable says that there was no answer, or only a part of one. The URL of a
// redirection can hold secrets: it is left out of the message.
func (r *registry) unreachable(err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("registry %s: %w", r.asked.RegistryStr(), context.Canceled)
	}
	problem := err.Error()
	var asked *url.Error
	if errors.As(err, &asked) {
		problem = asked.Err.Error()
		if u, bad := url.Parse(asked.URL); bad == nil && u.Host != r.asked.RegistryStr() {
			problem = u.Host + ": " + problem
		}
	}
	advice := "check the host's name and the network"
	if refused, ok := errors.AsType[*network.HostError](err); ok {
		advice = "where that address is meant: --allow-host " + oneLine(refused.Host)
	}
	return &RegistryError{Host: r.asked.RegistryStr(), Problem: "cannot be read: " + oneLine(problem), Advice: advice, Err: err}
}

// diagnosis is the first of the registry's own explanations, on one line.
func diagnosis(e *transport.Error) string {
	if len(e.Errors) == 0 {
		return ""
	}
	return oneLine(cmp.Or(e.Errors[0].Message, string(e.Errors[0].Code)))
}

// oneLine makes foreign text fit for a message: no control characters, bounded.
func oneLine(text string) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, text)
	if runes := []rune(text); len(runes) > maxDiagnosis {
		return string(runes[:maxDiagnosis]) + "…"
	}
	return text
}

// isNotFound reports whether the registry answered 404 to a request after the
// handshake.
func isNotFound(err error) bool {
	if known := (*RegistryError)(nil); errors.As(err, &known) {
		return false
	}
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

func hasCode(err error, code transport.ErrorCode) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && slices.ContainsFunc(answer.Errors,
		func(d transport.Diagnostic) bool { return d.Code == code })
}

// tags lists the first page of the repository's tags.
func (r *registry) tags(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, tagListTimeout)
	defer cancel()
	resp, err := r.get(ctx, "tags", "list")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := readBounded(resp.Body, "list of tags")
	if err != nil {
		return nil, err
	}
	var list struct {
		Tags []string `json:"tags"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	return list.Tags[:min(len(list.Tags), MaxTags)], nil
}
