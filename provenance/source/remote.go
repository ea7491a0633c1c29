package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"

	"github.com/imageverify/verify/internal/network"
)

// maxWants bounds the objects asked for in one request.
const maxWants = 20_000

// remote fetches objects of one repository over https into a folder. Requests
// go out one at a time.
type remote struct {
	url      string
	folder   *folder
	store    *store
	offline  bool
	base     http.RoundTripper
	progress func(what string, n, total int64)
	bounds   bounds
	sha256   func() (*Repository, error) // the same repository, if its names are SHA-256

	mu     sync.Mutex
	open   *conversation
	dead   error // why the server is not asked again
	narrow bool  // trees are fetched one at a time: there are too many
}

// conversation is a session with a server that has told its references.
type conversation struct {
	transport.UploadPackSession
	guard  *guardedTransport
	refs   references
	advert []byte // as it was sent, for the git program
}

// references is what a server says of its branches and tags.
type references struct {
	head   id
	branch string // that HEAD is, such as refs/heads/master; "" if not told
	tips   []id   // of branches and tags, each once
	names  map[string]id
	can    *capability.List
}

// openRemote opens a repository of which objects are fetched when needed.
func (o *Opener) openRemote(repository string) (*Repository, error) {
	address, err := fetchURL(repository)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.openFetched(repository, address, "")
}

// openFetched opens the folder of what was fetched from an address; config is
// that of the folder, and says of which kind its object names are. The caller
// holds the lock.
func (o *Opener) openFetched(repository, address, config string) (*Repository, error) {
	name := NormalizeURL(address)
	if config != "" {
		name += " sha256"
	}
	if r, ok := o.open["fetched "+name]; ok {
		return r, nil
	}
	f, err := o.openFolder(name, config)
	if err != nil {
		return nil, fmt.Errorf("folder for %s: %w", address, err)
	}
	s, err := openStore(f.path)
	if err == nil && config != "" && s.program == nil {
		s.close()
		err = fmt.Errorf("%s: it lost its configuration: %w", f.path, ErrNotRepository)
	}
	if err != nil {
		return nil, err
	}
	m := &remote{url: address, folder: f, store: s, base: o.options.Transport, progress: o.options.Progress, bounds: o.bounds}
	m.offline = o.options.Offline || m.base == nil
	m.sha256 = func() (*Repository, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.openFetched(repository, address, borrowingConfig)
	}
	r := &Repository{url: redactURL(repository), location: address, store: s, remote: m, objects: o.options.Objects}
	o.open["fetched "+name] = r
	o.options.Log.Debug("remote git repository opened", "repository", address, "folder", f.path)
	return r, nil
}

// references asks the server for its branches and tags, once.
func (m *remote) references(ctx context.Context) (references, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, err := m.converse(ctx)
	if err != nil {
		return references{}, err
	}
	return c.refs, nil
}

// converse starts the conversation, unless there is one.
func (m *remote) converse(ctx context.Context) (*conversation, error) {
	if m.dead != nil {
		return nil, m.dead
	}
	if m.open != nil {
		return m.open, nil
	}
	if m.offline {
		return nil, fmt.Errorf("%s: %w", m.url, network.ErrOffline)
	}
	endpoint, err := transport.NewEndpoint(m.url)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.url, ErrScheme)
	}
	guard := &guardedTransport{base: m.base, what: m.url, progress: m.progress, limit: m.bounds.advertisement}
	if m.store.program != nil {
		return m.converseLong(ctx, guard)
	}
	session, err := githttp.NewClient(&http.Client{Transport: guard}).NewUploadPackSession(endpoint, nil)
	if err != nil {
		return nil, m.failed(err)
	}
	advert, err := session.AdvertisedReferencesContext(ctx)
	if err != nil && guard.saw("object-format=sha256") {
		err = ErrObjectFormat // go-git cannot read its references
	}
	if err != nil {
		return nil, m.failed(guard.cause(err))
	}
	refs, err := readReferences(advert)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.url, err)
	}
	m.open = &conversation{UploadPackSession: session, guard: guard, refs: refs}
	return m.open, nil
}

func readReferences(advert *packp.AdvRefs) (references, error) {
	refs := references{can: advert.Capabilities}
	if advert.Capabilities.Supports(capability.ObjectFormat) && !slices.Contains(advert.Capabilities.Get(capability.ObjectFormat), "sha1") {
		return refs, ErrObjectFormat
	}
	if len(advert.References) > maxRefs {
		return refs, &LimitError{What: "number of references", Limit: maxRefs}
	}
	if advert.Head != nil {
		refs.head = idOf(advert.Head[:])
	}
	for _, link := range advert.Capabilities.Get(capability.SymRef) {
		if target, ok := strings.CutPrefix(link, "HEAD:"); ok {
			refs.branch = target
		}
	}
	texts := make(map[string]string, len(advert.References))
	refs.names = make(map[string]id, len(advert.References))
	for name, target := range advert.References {
		texts[name], refs.names[name] = target.String(), idOf(target[:])
	}
	refs.tips = distinctTips(texts)
	return refs, nil
}

// fetchCommit fetches a commit with its trees, or alone where they are too many;
// from a server that cannot leave them out, all its files come along.
func (m *remote) fetchCommit(ctx context.Context, commit id) error {
	return m.fetchTrees(ctx, request{wants: []id{commit}, depth: 1})
}

// fetchTree fetches a tree with all below it but the files, or alone where that
// is too much.
func (m *remote) fetchTree(ctx context.Context, tree id) error {
	return m.fetchTrees(ctx, request{wants: []id{tree}})
}

func (m *remote) fetchTrees(ctx context.Context, r request) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.narrow {
		r.filter, r.limit = packp.FilterBlobNone(), m.bounds.trees
		err := m.fetch(ctx, r)
		if limit, ok := errors.AsType[*LimitError](err); !ok || limit.Limit != m.bounds.trees {
			return err
		}
		m.narrow = true
	}
	r.filter, r.limit = packp.FilterTreeDepth(0), m.bounds.fetch
	return m.fetch(ctx, r)
}

// fetchObjects fetches files by their ids.
func (m *remote) fetchObjects(ctx context.Context, wants []id) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fetch(ctx, request{wants: wants})
}

// fetchSince fetches the commits that lead from the tips to one that is here, or
// that show that none leads there, without their trees.
func (m *remote) fetchSince(ctx context.Context, tips []id, have id) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fetch(ctx, request{wants: tips, haves: []id{have}, filter: packp.FilterTreeDepth(0), limit: m.bounds.history, history: true})
}

// request is what is asked of a server.
type request struct {
	wants, haves []id
	depth        int
	filter       packp.Filter
	// limit bounds the answer in bytes; 0 is maxFetch, which is also the bound
	// of a server that cannot filter what is not asked about history.
	limit int64
	// history asks for wants that are here too: what leads to them may not be.
	history bool
}

// fetch asks for objects, unless they are here. The caller holds the lock.
func (m *remote) fetch(ctx context.Context, r request) error {
	if !r.history {
		r.wants = m.missing(r.wants) // another goroutine may have fetched them meanwhile
	}
	if len(r.wants) == 0 {
		return nil
	}
	if len(r.wants) > maxWants {
		return &LimitError{What: "number of git objects to fetch", Limit: maxWants}
	}
	c, err := m.converse(ctx)
	if err != nil {
		return err
	}
	q := r.encode(c.refs.can)
	long := m.store.program != nil
	if r.limit == 0 || (long || q.Filter == "") && !r.history {
		r.limit = m.bounds.fetch
	}
	c.guard.start(r.limit)
	if long {
		return m.uploadLong(ctx, c, r, q.Filter != "")
	}
	return m.upload(ctx, c, q)
}

// missing are those that are not here, each once.
func (m *remote) missing(wants []id) []id {
	var out []id
	seen := make(map[id]bool, len(wants))
	for _, want := range wants {
		if !seen[want] && !m.store.has(want) {
			out = append(out, want)
		}
		seen[want] = true
	}
	return out
}

// encode makes go-git's form of a request, with what the server can do.
func (r request) encode(can *capability.List) *packp.UploadPackRequest {
	q := packp.NewUploadPackRequestFromCapabilities(can)
	if can.Supports(capability.NoProgress) {
		q.Capabilities.Set(capability.NoProgress)
	}
	if r.depth > 0 && can.Supports(capability.Shallow) {
		q.Capabilities.Set(capability.Shallow)
		q.Depth = packp.DepthCommits(r.depth)
	}
	if r.filter != "" && can.Supports(capability.Filter) && anyObject(can) {
		q.Capabilities.Set(capability.Filter)
		q.Filter = r.filter
	}
	for _, want := range r.wants {
		q.Wants = append(q.Wants, plumbing.Hash(want[:idSize]))
	}
	for _, have := range r.haves {
		q.Haves = append(q.Haves, plumbing.Hash(have[:idSize]))
	}
	return q
}

// anyObject reports whether a server gives objects that no reference names, so
// that files which were left out can be asked for later. One that is set up to
// do so (uploadpack.allowAnySHA1InWant) advertises both of these.
func anyObject(can *capability.List) bool {
	return can.Supports(capability.AllowTipSHA1InWant) && can.Supports(capability.AllowReachableSHA1InWant)
}

// upload sends a request and keeps the pack that comes back.
func (m *remote) upload(ctx context.Context, c *conversation, q *packp.UploadPackRequest) error {
	res, err := c.UploadPack(ctx, q)
	if err != nil {
		return m.failed(c.guard.cause(err))
	}
	defer res.Close()
	var pack io.Reader = res
	switch {
	case q.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, res)
	case q.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, res)
	}
	if err := m.folder.addPack(ctx, pack, m.bounds.fetch); err != nil {
		return m.failed(c.guard.cause(err))
	}
	return m.store.reload()
}

// failed tells what went wrong apart: an object that the server does not have,
// a server that could not be asked, bytes that are wrong. A server that could
// not be asked, or sent all that it may, is not asked again: it may take its time
// to say nothing, and as much each time.
func (m *remote) failed(err error) error {
	var limit *LimitError
	var mismatch *MismatchError
	var status *statusError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, network.ErrOffline),
		errors.Is(err, ErrObjectFormat), errors.As(err, &mismatch), errors.As(err, &limit) && limit.Limit < m.bounds.fetch && m.open != nil:
		return fmt.Errorf("%s: %w", m.url, err)
	case limit != nil:
		m.dead = fmt.Errorf("%s: %w", m.url, err)
	case strings.Contains(err.Error(), "not our ref"), strings.Contains(err.Error(), "unadvertised object"):
		return fmt.Errorf("%s: %w: the server does not give it", m.url, ErrObjectAbsent)
	case errors.As(err, &status) && status.noRepository():
		m.dead = fmt.Errorf("%s: %w: %w", m.url, ErrNoRepository, err)
	default:
		m.dead = fmt.Errorf("%s: %w: %w", m.url, ErrUnreachable, err)
	}
	return m.dead
}
