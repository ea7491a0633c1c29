package image

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// attachedIn finds attachments in a registry.
type attachedIn struct {
	*registry
	unwanted []AttachmentKind
}

// find asks for cosign's tags, for the registry's list of referrers and for the
// tag of the list that clients keep, all at once.
func (r attachedIn) find(ctx context.Context, subject v1.Hash) ([]candidate, error) {
	places := []func() ([]candidate, error){
		func() ([]candidate, error) { return r.referrers(ctx, subject) },
		func() ([]candidate, error) { return r.referrersTag(ctx, subject) },
	}
	for _, t := range cosignTags {
		if !slices.Contains(r.unwanted, t.kind) {
			places = append(places, func() ([]candidate, error) { return r.cosignTag(ctx, attachedTag(subject)+t.suffix) })
		}
	}
	found, failed := make([][]candidate, len(places)), make([]error, len(places))
	var all sync.WaitGroup
	for i, look := range places {
		all.Go(func() { found[i], failed[i] = look() })
	}
	all.Wait()
	return slices.Concat(found...), errors.Join(failed...)
}

// cosignTag reads what stands under one of cosign's tags.
func (r *registry) cosignTag(ctx context.Context, tag string) ([]candidate, error) {
	doc, err := r.tagged(ctx, tag)
	switch {
	case isNotFound(err):
		return nil, nil
	case aboutContent(err):
		return []candidate{{via: ViaTag, tag: tag, err: err}}, nil
	case err != nil:
		return nil, &LookupError{Via: ViaTag, Tag: tag, Err: r.failed(err)}
	}
	return []candidate{{via: ViaTag, tag: tag, desc: doc.desc, doc: doc}}, nil
}

// referrersTag reads the list of referrers that clients keep.
func (r *registry) referrersTag(ctx context.Context, subject v1.Hash) ([]candidate, error) {
	tag := referrersTag(subject)
	doc, err := r.tagged(ctx, tag)
	switch {
	case isNotFound(err):
		return nil, nil
	case err != nil && !aboutContent(err):
		err = r.failed(err)
	case err == nil:
		err = doc.listProblem(r.named)
	}
	if err != nil {
		return nil, &LookupError{Via: ViaReferrersTag, Tag: tag, Err: err}
	}
	return fromList(doc.index.Manifests, ViaReferrersTag, tag), nil
}

// listProblem says why a document is no list of referrers.
func (d *document) listProblem(where string) error {
	switch {
	case d.err != nil:
		return d.err
	case d.index == nil:
		return &FormatError{What: titled("manifest", d.desc.Digest), Where: where, Problem: "is an image manifest, not a list of referrers"}
	}
	return nil
}

// fromList makes candidates of the entries of a list.
func fromList(entries []v1.Descriptor, via, tag string) []candidate {
	all := make([]candidate, len(entries))
	for i, d := range entries {
		all[i] = candidate{via: via, tag: tag, desc: d}
	}
	return all
}

// tagged reads the document of a tag; that there is none is isNotFound.
func (r *registry) tagged(ctx context.Context, tag string) (*document, error) {
	resp, err := r.get(ctx, "manifests", tag)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := readBounded(resp.Body, "manifest of "+tag)
	if err != nil {
		return nil, err
	}
	desc := v1.Descriptor{Digest: statedDigest(resp, raw), Size: int64(len(raw)), MediaType: mediaType(resp)}
	return newDocument(desc, raw, r.named), nil
}

// referrers asks the registry for its list of referrers, page by page. A registry
// that keeps none has none.
func (r *registry) referrers(ctx context.Context, subject v1.Hash) ([]candidate, error) {
	seen := map[string]bool{}
	var all []candidate
	for next := r.url("referrers", subject.String()); next != ""; {
		if err := pageProblem(seen, next, len(all)); err != nil {
			return all, &LookupError{Via: ViaReferrers, Err: err}
		}
		seen[next] = true
		entries, after, err := r.page(ctx, next)
		all = append(all, fromList(entries, ViaReferrers, "")...)
		if err != nil {
			return all, &LookupError{Via: ViaReferrers, Err: err}
		}
		next = after
	}
	return all, nil
}

// pageProblem says why no further page is read.
func pageProblem(seen map[string]bool, next string, found int) error {
	switch {
	case seen[next]:
		return errors.New("the pages of the list of referrers lead in a circle")
	case len(seen) == MaxReferrerPages:
		return &LimitError{What: "pages of the list of referrers", Limit: MaxReferrerPages}
	case found > MaxReferrers:
		return &LimitError{What: "list of referrers: entries", Limit: MaxReferrers}
	}
	return nil
}

// page reads one page and the address of the next one, "" where it is the last.
func (r *registry) page(ctx context.Context, address string) ([]v1.Descriptor, string, error) {
	resp, err := r.ask(ctx, "referrers", address)
	if keepsNoReferrers(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", r.failed(err)
	}
	defer resp.Body.Close()
	raw, err := readBounded(resp.Body, "list of referrers")
	if err != nil {
		return nil, "", err
	}
	index, err := r.parsePage(raw)
	if err != nil && !saysIndex(resp) {
		return nil, "", nil // some page for people
	}
	if err != nil {
		return nil, "", err
	}
	next, err := nextPage(address, resp.Header.Values("Link"))
	return index.Manifests, next, err
}

func (r *registry) parsePage(raw []byte) (*v1.IndexManifest, error) {
	index, _, err := parseDocument(raw, v1.Descriptor{}, r.named)
	if format, ok := errors.AsType[*FormatError](err); ok {
		format.What = "list of referrers"
	}
	if err == nil && index == nil {
		err = &FormatError{What: "list of referrers", Where: r.named, Problem: "is an image manifest"}
	}
	return index, err
}

// keepsNoReferrers reports whether a registry's answer says that it does not know
// the list of referrers.
func keepsNoReferrers(err error) bool {
	var known *RegistryError
	var answer *transport.Error
	if errors.As(err, &known) || !errors.As(err, &answer) {
		return false
	}
	switch answer.StatusCode {
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusNotImplemented:
		return true
	}
	return false
}

// saysIndex reports whether an answer is meant to be a list of referrers.
func saysIndex(resp *http.Response) bool {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return err == nil && types.MediaType(media).IsIndex()
}

// nextPage is the address in a Link header with rel="next", "" where there is
// none. It must be another page of the same list: only what follows the "?" is
// taken of it, so that no link leads to another host.
func nextPage(current string, links []string) (string, error) {
	base, err := url.Parse(current)
	if err != nil {
		return "", err
	}
	for _, link := range strings.Split(strings.Join(links, ","), ",") {
		target, params, _ := strings.Cut(link, ";")
		_, param, err := mime.ParseMediaType("link;" + params)
		if err != nil || !strings.EqualFold(param["rel"], "next") {
			continue
		}
		target = strings.Trim(target, " <>")
		next, err := base.Parse(target)
		if err != nil || !strings.HasSuffix(next.Path, listPath(base.Path)) {
			return "", fmt.Errorf("the next page of the list of referrers is at another place: %s", oneLine(target))
		}
		base.RawQuery = next.RawQuery
		return base.String(), nil
	}
	return "", nil
}

// listPath is the end of a list's path, which names the list and its subject.
func listPath(full string) string {
	list, subject := path.Split(full)
	return "/" + path.Join(path.Base(list), subject)
}
