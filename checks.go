package verify

import (
	"fmt"
	"slices"
	"strings"
)

// need says which stages a check rests on.
type need int

const (
	needConfig need = 1 << iota
	needLayers
	needTrace
	needSums
	needContent
	needReach
	needRebuild
	needBase   // which image is the base, and its config
	needChain  // the base verified itself
	needFresh  // what the base's tag names now
	needSigned // the signatures that are attached
	needProved // the signed statements
)

// check is a row of the table: one thing that is checked about an image.
type check struct {
	id string
	// passes completes the sentence "passes when …".
	passes string
	needs  need
	// required says whether the verdict rests on the check for this image when
	// the user says nothing.
	required func(*facts) bool
	// fails are the reasons of its failures, others those of its warn and
	// unknown findings.
	fails, others []string
	// asked says that the check is made only where it, or the check that it
	// accompanies, is required by name.
	asked bool
	// accompanies is the check that this one adds advice to: it is made with it, and
	// required only by its full id.
	accompanies string
	// fix says what to write instead, for a check of the Dockerfile.
	fix string
	// find makes the finding; nil when the check does not apply to the image.
	find func(*facts) *Finding
}

// restsOnFiles reports whether the check compares the image with files that the
// trace found, or rests on their match, rather than being about the trace itself.
func (c check) restsOnFiles() bool {
	return c.needs&needTrace != 0 && (!strings.HasPrefix(c.id, "trace.") || c.id == "trace.current")
}

func always(*facts) bool { return true }
func never(*facts) bool  { return false }

// unreadSource are the reasons for which files of a repository were not read.
var unreadSource = []string{"source-absent", "not-followed", "object-format", "over-limit", "offline", "no-network", "unreadable"}

// unreadBlob are the reasons for which a blob was not read.
var unreadBlob = []string{"blob-absent", "foreign-layer", "over-limit", "offline", "no-network", "unreadable"}

// layoutDiffers are the reasons for which a layout in git is not the image.
var layoutDiffers = []string{"digest-mismatch", "layout-differs", "link-leaves", "malformed", "object-mismatch", "other-image", "several-images"}

// checkTable holds the checks in report order. It is the one place that turns
// facts into findings.
var checkTable = append([]check{
	{
		id:       "image.digests",
		passes:   "manifest, config and every layer blob hash to their digests, every layer unpacks to its diff ID, sizes agree, history and layers count up, and descriptor and config name the same platform",
		needs:    needConfig | needLayers,
		required: always,
		fails:    []string{"digest-mismatch", "size-mismatch", "diff-id-mismatch", "malformed", "truncated", "layer-count", "platform-mismatch"},
		others:   slices.Concat([]string{"layer-count", "media-type-differs"}, unreadBlob),
		find:     findDigests,
	},
	{
		id:       "image.reference",
		passes:   "the reference is pinned by digest",
		required: never,
		others:   []string{"mutable-tag"},
		find:     findReference,
	},
	{
		id:       "trace.origin",
		passes:   "the Dockerfile was read at the origin's commit, every git object re-hashed, or was handed in, and it matches the image",
		needs:    needConfig | needTrace,
		required: always,
		fails:    slices.Concat([]string{"text-differs", "dockerfile-invalid"}, layoutDiffers),
		others: slices.Concat([]string{"claim-not-proved", "name-unknown", "not-in-library", "tag-not-in-library",
			"library-unavailable", "commit-younger", "history-lost", "blob-absent"}, unreadSource),
		find: findOrigin,
	},
	{
		id:       "trace.claims",
		passes:   "all claims of origin agree",
		needs:    needConfig | needTrace,
		required: always,
		fails:    []string{"repository-differs", "commit-differs", "directory-differs"},
		others:   []string{"other-repository"},
		find:     findClaims,
	},
	{
		id:       "trace.current",
		passes:   "the matching library entry is the one in force now for the tag",
		needs:    needConfig | needTrace,
		required: never,
		others:   []string{"superseded", "tag-ended", "library-stale"},
		find:     findCurrent,
	},
	{
		id:       "trace.reachable",
		passes:   "the origin's commit is an ancestor of a branch or tag of the repository",
		needs:    needConfig | needTrace | needReach,
		required: commitClaimed,
		fails:    []string{"object-mismatch"},
		others:   slices.Concat([]string{"commit-unreachable"}, unreadSource),
		find:     findReachable,
	},
	{
		id:       "trace.layout",
		passes:   "for an entry that keeps the image in git as an OCI layout: the manifest, config and layers there are the image's; history.* and layer.content are then absent",
		needs:    needConfig | needTrace,
		required: always,
		fails:    layoutDiffers,
		others:   unreadSource,
		find:     findLayout,
	},
	{
		id:       "history.directives",
		passes:   "every directive of the final stage has its history entry, in order, with nothing unexplained between or after",
		needs:    needConfig | needTrace,
		required: always,
		fails: []string{"text-differs", "entry-missing", "entry-unexplained", "layer-count", "empty-layer-differs",
			"comment-differs", "nothing-matched"},
		others: []string{"no-dockerfile", "history-lost"},
		find:   findDirectives,
	},
	{
		id:       "history.config",
		passes:   "Env, Cmd, Entrypoint, User, WorkingDir, Labels, ExposedPorts, Volumes, StopSignal, Healthcheck, OnBuild and Shell are what the directives give",
		needs:    needConfig | needTrace | needBase,
		required: never,
		fails:    []string{"config-differs"},
		others:   []string{"label-added", "base-unknown"},
		find:     findConfig,
	},
	{
		id:       "history.content",
		passes:   "each file:, dir: and multi: hash in history is the hash of the named files at the commit",
		needs:    needConfig | needTrace,
		required: never,
		fails:    []string{"hash-differs", "object-mismatch"},
		others:   slices.Concat([]string{"no-dockerfile", "context-unknown", "files-elsewhere", "hash-unknown", "needs-builder"}, unreadSource),
		find:     findHistoryContent,
	},
	{
		id:       "base.layers",
		passes:   "the layers and the history below the Dockerfile's own are those of the image that it builds on, by diff ID, and that image is itself verified to the depth asked",
		needs:    needConfig | needLayers | needTrace | needContent | needSums | needReach | needBase | needChain,
		required: never,
		fails:    []string{"base-differs", "base-history-differs", "base-claim-differs", "base-failed"},
		others:   slices.Concat([]string{"base-unverified", "base-not-found", "base-name-differs", "base-unknown", "not-followed"}, unreadBlob),
		find:     findBaseLayers,
	},
	{
		id:       "base.freshness",
		passes:   "the base's tag still names the image that this one was built on",
		needs:    needConfig | needTrace | needBase | needFresh,
		required: never,
		others:   slices.Concat([]string{"base-moved", "not-followed", "library-stale"}, unreadBlob),
		find:     findFresh,
	},
	{
		id:       "rootfs.checksum",
		passes:   "the digest of each unpacked archive is in the distributor's published checksum file",
		needs:    needConfig | needTrace | needSums,
		required: always,
		fails:    []string{"sum-differs", "two-sums", "not-listed", "object-mismatch"},
		others:   slices.Concat([]string{"list-absent", "list-invalid", "list-weak"}, unreadSource),
		find:     findChecksum,
	},
	{
		id:       "rootfs.signature",
		passes:   "that checksum file is signed by a key that is pinned for the distributor",
		needs:    needConfig | needTrace | needSums,
		required: never,
		fails: []string{"no-signature", "wrong-key", "bad-signature", "weak-hash", "key-revoked", "key-expired", "signature-expired",
			"object-mismatch"},
		others: slices.Concat([]string{"key-absent", "signature-unsupported", "list-absent"}, unreadSource),
		find:   findSignature,
	},
	{
		id:       "layer.content",
		passes:   "every layer is accounted for: ADD, COPY and WORKDIR layers entry by entry from the source, base layers by a verified base",
		needs:    needConfig | needLayers | needTrace | needContent | needBase | needChain,
		required: always,
		fails: []string{"content-differs", "file-added", "file-missing", "type-differs", "mode-differs", "owner-differs", "link-differs",
			"xattr-differs", "time-differs", "format-differs", "order-differs", "duplicate-path", "unsafe-path", "trailing-data", "object-mismatch", "malformed", "digest-mismatch"},
		others: slices.Concat([]string{"run-unproved", "base-unverified", "no-dockerfile", "context-unknown", "needs-builder", "source-absent",
			"not-followed", "object-format"}, unreadBlob),
		find: findContent,
	},
	{
		id:       "rebuild.level",
		passes:   "the image, assembled again from its source, reaches the level asked for: files, layers, image-id or digest",
		needs:    needConfig | needLayers | needTrace | needContent | needBase | needChain | needRebuild,
		required: never,
		fails: slices.Concat([]string{"level-not-reached", "content-differs", "file-added", "file-missing", "type-differs", "mode-differs", "owner-differs", "link-differs",
			"xattr-differs", "duplicate-path", "order-differs"}, layoutDiffers),
		others: slices.Concat([]string{"run-unproved", "base-unverified", "base-unknown", "no-dockerfile", "needs-builder", "source-absent",
			"files-elsewhere", "hash-unknown", "hash-differs", "not-followed", "object-format", "not-built-in", "no-builder", "needs-oci-exporter", "needs-platform", "needs-newer-builder",
			"build-failed", "build-limit", "builder-gone", "builder-result"}, unreadBlob),
		asked: true,
		find:  findRebuild,
	},
	{
		id:       "signature.image",
		passes:   "as many accepted signers as asked for have signed the image's manifest, or an index that holds it, and everything demanded of their signatures holds",
		needs:    needSigned,
		required: never,
		asked:    true,
		fails:    signatureFails,
		others:   []string{"no-accepted-signer", "no-trusted-root", "not-built-in", "over-limit", "revocation-unknown", "blob-absent", "offline", "no-network", "unreadable"},
		find:     findSigned,
	},
	{
		id:          "signature.pattern",
		passes:      "every pattern by which signers are accepted is anchored and its dots are escaped",
		needs:       needSigned,
		required:    never,
		asked:       true,
		accompanies: "signature.image",
		others:      []string{"loose-pattern"},
		find:        findPattern,
	},
	{
		id:          "signature.reference",
		passes:      "the payload of each accepted signature names the repository that the image was asked for in",
		needs:       needSigned,
		required:    never,
		asked:       true,
		accompanies: "signature.image",
		fails:       []string{"reference-differs"},
		others:      []string{"reference-differs"},
		find:        findSignedReference,
	},
	{
		id:       "signature.bundle",
		passes:   "of `verify bundle`: as many accepted signers as asked for have signed the subject, and everything demanded of their signatures holds",
		required: never,
		asked:    true,
		fails:    signatureFails,
		others:   []string{"no-accepted-signer", "no-trusted-root", "not-built-in", "over-limit", "unreadable"},
		find:     findBundle,
	},
	{
		id:       "attestation.provenance",
		passes:   "an accepted signer has signed a statement about the image's manifest, or an index that holds it, and it says what is expected of type, source and builder",
		needs:    needSigned | needProved,
		required: never,
		asked:    true,
		fails:    attestationFails,
		others:   []string{"no-accepted-signer", "no-trusted-root", "not-built-in", "over-limit", "blob-absent", "offline", "no-network", "unreadable"},
		find:     findProved,
	},
}, pinChecks()...)

// CheckIDs are the ids of all checks, in report order.
func CheckIDs() []string {
	ids := make([]string, len(checkTable))
	for i, c := range checkTable {
		ids[i] = c.id
	}
	return ids
}

// CheckInfo describes a check for the manual.
type CheckInfo struct {
	ID, Passes string
	// Fails are the reasons of its failures, Others those of its warn and
	// unknown findings.
	Fails, Others []string
	// Fix says what to write instead, for a check of the Dockerfile.
	Fix string
}

// Checks describes every check, in report order.
func Checks() []CheckInfo {
	out := make([]CheckInfo, len(checkTable))
	for i, c := range checkTable {
		out[i] = CheckInfo{ID: c.id, Passes: c.passes, Fails: slices.Clone(c.fails), Others: slices.Clone(c.others), Fix: c.fix}
	}
	return out
}

// acceptable refuses a reason that no check gives, and one that only failures
// carry: those are never accepted.
func acceptable(reason string) error {
	fails := false
	for _, c := range checkTable {
		if slices.Contains(c.others, reason) {
			return nil
		}
		fails = fails || slices.Contains(c.fails, reason)
	}
	if fails {
		return fmt.Errorf("%q is the reason of a failure, which cannot be accepted", reason)
	}
	return fmt.Errorf("no check gives the reason %q (see docs/checks.md)", reason)
}

// made reports whether the check is made.
func (c check) made(r Requirements) bool {
	if c.accompanies != "" && !anySelects(r.Skip, c.id) && (r.requires(c.accompanies, false) && r.wants(c.accompanies) || slices.Contains(r.Only, "signature.bundle")) {
		return true
	}
	return r.wants(c.id) && (!c.asked || r.requires(c.id, false))
}

// demanded reports whether the verdict rests on the check for this image.
func (c check) demanded(f *facts, r Requirements) bool {
	if c.accompanies != "" {
		return slices.Contains(r.Require, c.id) || slices.Contains(r.Only, c.id)
	}
	return r.requires(c.id, c.required(f))
}

// needsOf joins the needs of all checks that are made.
func needsOf(r Requirements) need {
	var n need
	for _, c := range checkTable {
		if c.made(r) {
			n |= c.needs
		}
	}
	return n
}

// findAll makes the findings that are wanted, in the table's order.
func findAll(f *facts, r Requirements) []Finding {
	findings := []Finding{}
	for _, c := range checkTable {
		if !c.made(r) {
			continue
		}
		found := c.find(f)
		if found == nil {
			continue
		}
		found.Check = c.id
		found.Required = c.demanded(f, r)
		if same := sameAs(f.trace); same != nil && c.restsOnFiles() {
			found.judgedElsewhere(same)
		}
		found.Accepted = !found.elsewhere() && r.accepts(found)
		if found.Evidence == nil {
			found.Evidence = []Evidence{}
		}
		findings = append(findings, *found)
	}
	coverRun(findings, r)
	return findings
}

// coverRun lets layers stand that RUN made, where accepted signers have signed the
// image: who is trusted with the image is trusted with what RUN left in it.
func coverRun(findings []Finding, r Requirements) {
	if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Check == "signature.image" && f.Status == Pass }) {
		return
	}
	r.Accept = append(slices.Clone(r.Accept), "run-unproved")
	for i := range findings {
		f := &findings[i]
		f.Accepted = f.Accepted || !f.elsewhere() && r.accepts(f)
	}
}
