package verify

import (
	"errors"
	"maps"
	"net"
	"slices"

	"github.com/imageverify/verify/checksums"
	"github.com/imageverify/verify/checksums/sums"
	"github.com/imageverify/verify/internal/image"
	"github.com/imageverify/verify/internal/network"
	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/layout"
	"github.com/imageverify/verify/provenance/library"
	"github.com/imageverify/verify/provenance/source"
	"github.com/imageverify/verify/rebuild"
	"github.com/imageverify/verify/rebuild/replay"
)

// reasonTexts explains every reason code; the manual is made from it.
var reasonTexts = withPins(map[string]string{
	"ambiguous":             "a signed document repeats a name, or writes one in other letter case, so that two readers could read it differently",
	"annotations-differ":    "the signed payload has not the annotations that were asked for",
	"bad-log-entry":         "the transparency log's promise or proof does not verify",
	"bad-signature":         "the signature is not over what it stands beside, or not by the key",
	"bad-timestamp":         "the signed timestamp does not verify",
	"base-claim-differs":    "the image names another base than its Dockerfile, or one that it does not stand on",
	"base-differs":          "the image does not stand on the layers of the base that its Dockerfile names",
	"base-failed":           "the base image was verified, and fails",
	"base-history-differs":  "the base has the layers, and another history",
	"base-moved":            "the base's tag now names another image",
	"base-name-differs":     "the image's manifest calls its base by another name than the Dockerfile",
	"base-not-found":        "no image is known that has the layers below the Dockerfile's own",
	"base-unknown":          "the base image's config is not known",
	"base-unverified":       "the layer is the base image's, which was not verified",
	"blob-absent":           "the blob is not where the manifest says it is",
	"build-failed":          "a directive failed when the image was built again",
	"build-limit":           "a build took more time, memory or room on the disk than it may",
	"build-type-other":      "the build type is none that the builder writes",
	"builder-differs":       "the provenance names another builder, or one that its certificate contradicts",
	"builder-gone":          "a builder was lost while it built",
	"builder-result":        "what a builder handed out is not an image of what it was asked for",
	"certificate-invalid":   "the certificate is not one that signers are given: for code signing, no authority, with one name",
	"chain-expired":         "an authority that the certificate rests on was not valid when it was used",
	"claim-not-proved":      "somebody claims this origin, and nothing could be compared with it",
	"comment-differs":       "an entry of the history carries another builder's comment",
	"commit-differs":        "two claims name different commits of one repository",
	"commit-unreachable":    "no branch or tag of the repository leads to the commit",
	"commit-younger":        "the entry's commit is younger than the image",
	"config-differs":        "the config says something else than the directives",
	"content-differs":       "a file's content is not the source's",
	"context-unknown":       "the build context is not known",
	"diff-id-mismatch":      "the layer does not unpack to the diff ID in the config",
	"digest-mismatch":       "bytes do not hash to the digest they were asked by",
	"directory-differs":     "two claims name different directories of one commit",
	"dockerfile-invalid":    "the Dockerfile does not parse",
	"duplicate-path":        "a layer holds two entries for one path",
	"empty-layer-differs":   "a directive that must leave a layer left none, or the other way round",
	"history-lost":          "the history has the last directive alone, as buildah leaves it with --layers and --squash together",
	"entry-missing":         "a directive has no entry in the image's history",
	"entry-unexplained":     "an entry of the image's history has no directive",
	"expired-untimed":       "the certificate has expired, and nothing proves that it was used before",
	"file-added":            "the layer holds a path that the source does not make",
	"file-missing":          "the layer lacks a path that the source makes",
	"files-elsewhere":       "the files come from another stage or from a URL",
	"foreign-layer":         "the layer lies at a URL outside the registry, which is never fetched",
	"format-differs":        "the layer's archive says more of an entry than builders write",
	"from-the-future":       "a certificate or a time of signing is not yet",
	"hash-differs":          "the content hash in history is not that of the files at the commit",
	"hash-unknown":          "the content hash is of a builder whose way of hashing cannot be repeated",
	"identity-mismatch":     "somebody else signed than who is accepted",
	"key-absent":            "the distributor's key is not at hand",
	"key-differs":           "the certificate beside a signature is of another key",
	"key-expired":           "the key had expired when it signed",
	"key-revoked":           "the key was revoked",
	"label-added":           "the config has a label that no directive gives",
	"layer-count":           "the numbers of layers, diff IDs and history entries do not agree",
	"layout-differs":        "the layout in git lacks a file of the image",
	"level-not-reached":     "what was assembled from the source is not the image at the level asked for",
	"library-stale":         "the copy of the official library could not be brought up to date",
	"library-unavailable":   "the official library could not be read",
	"link-differs":          "a link's target is not the source's",
	"link-leaves":           "a symbolic link of the layout in git leaves the commit's tree",
	"list-absent":           "the distributor's checksum file is not there",
	"list-invalid":          "the distributor's checksum file does not parse",
	"list-weak":             "the distributor's checksum file has SHA-1 or MD5 digests alone",
	"log-mismatch":          "the entry of the transparency log is of another signature, key or content",
	"log-unknown":           "the transparency log is none that is trusted",
	"loose-pattern":         "a pattern of accepted signers accepts more than it seems to",
	"malformed":             "the bytes are what was asked for, and not what they should be",
	"media-type-differs":    "a layer is not what its media type says",
	"mode-differs":          "a file's mode is not the source's",
	"mutable-tag":           "the reference is a tag, which can be moved",
	"name-unknown":          "the image has no name, or an official one without a tag, to look for in the library",
	"needs-builder":         "what the directive makes needs a builder",
	"needs-newer-builder":   "the builder is too old to build the same image twice, or to keep a bound",
	"needs-oci-exporter":    "the builder cannot hand out an image as it was built",
	"needs-platform":        "no builder at hand builds for the platform",
	"no-accepted-signer":    "no key and no identity was named whose signature would count",
	"no-attestation":        "no signed statement about the image was found",
	"no-builder":            "no builder was found, or none answers",
	"no-dockerfile":         "there is no Dockerfile to compare with",
	"no-network":            "a host could not be reached",
	"no-sct":                "no certificate transparency log that is trusted vouches for the certificate",
	"no-signature":          "the checksum file, the image or the statement has no signature",
	"no-timestamp":          "a signed timestamp is demanded, and there is none",
	"revocation-unknown":    "the certificate names services to ask whether it is revoked, and none is asked",
	"no-trusted-root":       "the keys of the logs and authorities to be trusted are not at hand",
	"not-a-signature":       "a signed statement of another kind than a signature of the image",
	"not-built-in":          "this program was built without what verifies it",
	"not-followed":          "only the image names the repository, and it is not opened for that",
	"not-in-library":        "the name is not in the official library, and the image names no build definition",
	"not-in-log":            "no transparency log has the signature",
	"not-listed":            "the checksum file has no line for the file",
	"nothing-matched":       "no entry of the history matches any directive",
	"object-format":         "the repository uses object names that cannot be checked here",
	"object-mismatch":       "a git object does not hash to its name",
	"offline":               "the network is off",
	"order-differs":         "the layer's entries stand in an order that unpacks to other files",
	"other-digest":          "another digest is signed",
	"other-image":           "the layout in git is of another image",
	"other-repository":      "the build definition and the program's source are in different repositories",
	"outside-validity":      "the time of signing is outside the certificate's life",
	"over-limit":            "a bound of docs/security.md was reached",
	"owner-differs":         "a file's owner is not the source's",
	"platform-mismatch":     "the index and the config name different platforms",
	"predicate-differs":     "the signed statement is of another type",
	"ref-differs":           "the provenance names another tag or branch",
	"reference-differs":     "the signed payload names another repository",
	"repository-differs":    "two claims of one kind name different repositories",
	"run-unproved":          "the content follows from a RUN directive, which was not run again",
	"several-images":        "the layout in git leaves open which image is meant",
	"signature-expired":     "the signature is dated in the future, or its life is over",
	"signature-unsupported": "the signature is of a kind that cannot be checked here",
	"size-mismatch":         "the number of bytes is not the descriptor's",
	"source-absent":         "the commit or its files are not in the repository at hand",
	"source-differs":        "the provenance names another repository or commit, or several that contradict each other",
	"sum-differs":           "the published checksum is another",
	"superseded":            "the library has a newer entry for the tag",
	"tag-ended":             "the library no longer has the tag",
	"tag-not-in-library":    "the library never had the tag for this platform",
	"text-differs":          "a directive's text is not the one in history",
	"threshold-unmet":       "fewer accepted signers than asked for have signed",
	"time-differs":          "a file's time is not the source's",
	"trailing-data":         "bytes follow the end of the layer's archive",
	"truncated":             "the bytes end too early",
	"two-sums":              "the checksum file has two lines for the file",
	"type-differs":          "a path is of another type than in the source",
	"unreadable":            "something could not be read; the summary says what",
	"unsafe-path":           "the layer holds a path that leads out of the root",
	"untrusted-issuer":      "the certificate leads to no authority that is trusted",
	"weak-hash":             "the signature is over a hash that is not allowed for the distributor",
	"weak-key":              "the signer's key is too short, or of a kind that is not used",
	"wrong-key":             "the signature is not by the distributor's key",
	"wrong-type":            "a type or media type is not the one that a signature must have",
	"xattr-differs":         "a file's extended attributes are not the source's",
})

// ReasonText explains a reason code in a clause; "" for an unknown one.
func ReasonText(reason string) string { return reasonTexts[reason] }

// Reasons are all reason codes, sorted.
func Reasons() []string { return slices.Sorted(maps.Keys(reasonTexts)) }

// reasonOf names the kind of an error that kept a check from being made, or
// that is itself what the check looks for. errorReasons holds them in the order
// in which they are tried.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*errBase](err); ok {
		return e.reason
	}
	if e, ok := errors.AsType[*rebuild.BuildError](err); ok {
		return e.Reason
	}
	i := slices.IndexFunc(errorReasons, func(r errorReason) bool { return r.is(err) })
	if i < 0 {
		return "unreadable"
	}
	return errorReasons[i].reason
}

type errorReason struct {
	is     func(error) bool
	reason string
}

var errorReasons = []errorReason{
	{sentinel(errForeign), "foreign-layer"},
	{sentinel(errNotBuiltIn), "not-built-in"},
	{sentinel(errNotNamed), "not-followed"},
	{sentinel(provenance.ErrElsewhere), "files-elsewhere"},
	{sentinel(errHashDiffers), "hash-differs"},
	{kind[*falseBytesError], "digest-mismatch"},
	{sentinel(network.ErrOffline), "offline"},
	{kind[*source.MismatchError], "object-mismatch"},
	{kind[*otherBlobError], "sum-differs"},
	{sentinel(errListAbsent), "list-absent"},
	{notThere, "list-absent"},
	{sentinel(sums.ErrTwoSums), "two-sums"},
	{sentinel(sums.ErrSyntax), "list-invalid"},
	{sentinel(sums.ErrWeak), "list-weak"},
	{sentinel(sums.ErrNoSignature), "no-signature"},
	{sentinel(sums.ErrKeyAbsent), "key-absent"},
	{sentinel(sums.ErrWrongKey), "wrong-key"},
	{sentinel(sums.ErrBadSignature), "bad-signature"},
	{sentinel(sums.ErrWeakHash), "weak-hash"},
	{sentinel(sums.ErrKeyRevoked), "key-revoked"},
	{sentinel(sums.ErrKeyExpired), "key-expired"},
	{sentinel(sums.ErrSignatureExpired), "signature-expired"},
	{sentinel(sums.ErrUnsupported), "signature-unsupported"},
	{sentinel(source.ErrObjectAbsent), "source-absent"},
	{sentinel(source.ErrNotRepository), "source-absent"},
	{sentinel(source.ErrNoRepository), "source-absent"},
	{sentinel(source.ErrNotFollowed), "not-followed"},
	{sentinel(source.ErrUnreachable), "no-network"},
	{sentinel(provenance.ErrContextUnknown), "context-unknown"},
	{sentinel(provenance.ErrNameUnknown), "name-unknown"},
	{sentinel(provenance.ErrTagUnknown), "name-unknown"},
	{sentinel(provenance.ErrNotInLibrary), "not-in-library"},
	{sentinel(layout.ErrAbsent), "layout-differs"},
	{sentinel(layout.ErrOtherImage), "other-image"},
	{sentinel(layout.ErrSeveralImages), "several-images"},
	{sentinel(layout.ErrMalformed), "malformed"},
	{sentinel(source.ErrOutsideTree), "link-leaves"},
	{kind[*checksums.DigestError], "digest-mismatch"},
	{sentinel(provenance.ErrYounger), "commit-younger"},
	{sentinel(provenance.ErrHashUnknown), "hash-unknown"},
	{sentinel(source.ErrObjectFormat), "object-format"},
	{sentinel(source.ErrScheme), "not-followed"},
	{sentinel(library.ErrNoImage), "not-in-library"},
	{sentinel(library.ErrNoTag), "tag-not-in-library"},
	{kind[*dockerfile.Error], "dockerfile-invalid"},
	{kind[*image.AbsentError], "blob-absent"},
	{kind[*network.HostError], "no-network"},
	{kind[*network.IdleError], "no-network"},
	{kind[*notAnsweredError], "no-network"},
	{kind[*net.OpError], "no-network"},
	{kind[*net.DNSError], "no-network"},
	{kind[*checksums.LimitError], "over-limit"},
	{kind[*image.LimitError], "over-limit"},
	{kind[*source.LimitError], "over-limit"},
	{sentinel(sums.ErrTooLong), "over-limit"},
	{sentinel(provenance.ErrHardLinks), "needs-builder"},
	{sentinel(errOneLayer), "needs-builder"},
	{sentinel(errSquashed), "needs-builder"},
	{sentinel(errLost), "needs-builder"},
	{sentinel(errOwnRules), "needs-builder"},
	{notReplayable(replay.NeedsRun), "run-unproved"},
	{notReplayable(replay.ContextUnknown), "context-unknown"},
	{notReplayable(replay.SourceAbsent), "source-absent"},
	{kind[*replay.NotReplayable], "needs-builder"},
}

func sentinel(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func kind[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

func notReplayable(reason string) func(error) bool {
	return func(err error) bool {
		n, ok := errors.AsType[*replay.NotReplayable](err)
		return ok && n.Reason == reason
	}
}
