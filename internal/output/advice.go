package output

import (
	"slices"
	"strings"

	"github.com/imageverify/verify"
)

// Advice that several reasons share.
const (
	takeFresh      = "do not use this copy: pull the image again from its registry and compare"
	askPublisher   = "do not use the image until its publisher explains why it is not what the source makes"
	compareHistory = "lay the Dockerfile beside the image's history: verify history shows each directive with its entry"
	askWhichOrigin = "ask the publisher which origin is right: not all of the claims can be true"
	treatAsForged  = "no builder leaves this in a layer: treat the image as tampered with"
	askSigner      = "do not rely on it: ask whoever publishes it for a signature that holds"
	refuseSigned   = "do not rely on the signature: no client of the signer leaves it so"
	askDistributor = "do not use the rootfs: compare it with what its distributor publishes"
	giveRepository = "give a complete copy of the repository: --git-mirror {repository}=PATH"
	giveLibrary    = "give a clone of the official-images library: --library PATH"
	letStand       = "a rebuild would prove it; to let it stand unproved: --accept {reason}"
	giveName       = "say under which name and tag to trace the image: --as NAME:TAG"
)

// advice says what to do about a reason. {pin}, {newer}, {reason} and
// {repository} stand for the finding's and the image's own.
var advice = map[string]string{
	"ambiguous":             refuseSigned,
	"annotations-differ":    "ask the signer whether an image with these annotations was signed: -v shows what is there",
	"bad-log-entry":         refuseSigned,
	"bad-signature":         askSigner,
	"bad-timestamp":         refuseSigned,
	"base-claim-differs":    "ask the publisher: the image and its Dockerfile name different bases",
	"base-differs":          "do not use the image until its publisher explains what lies between it and its base; where the base given is not the one: --base REF=IMAGE",
	"base-failed":           "do not use the image: what its base holds is not what the base's source makes",
	"base-history-differs":  "give the very image that the base was at the time: --base REF=IMAGE",
	"base-moved":            "rebuild the image on the newer base: {pin}",
	"base-name-differs":     "fine where the builder found the base under another name; else ask the publisher",
	"base-not-found":        "give the image that the base was at the time: --base REF=IMAGE",
	"base-unknown":          "give the base image: --base REF=IMAGE",
	"base-unverified":       "verify the base images all the way down: --depth all; to let it stand: --accept base-unverified",
	"blob-absent":           "verify a copy that holds every blob, or the image in its registry",
	"build-failed":          "look at the end of the builder's log; where RUN needs the network: --network default",
	"build-limit":           "allow it more: --build-timeout DURATION, --build-memory BYTES, --build-disk BYTES, or a --cache-dir with more room",
	"build-type-other":      refuseSigned,
	"builder-differs":       "do not rely on it: ask the publisher which builder makes the image; -v shows which is named",
	"builder-gone":          "look at the builder's own log, and run again",
	"builder-result":        "use another builder: this one does not do what it is asked for",
	"certificate-invalid":   refuseSigned,
	"chain-expired":         refuseSigned,
	"claim-not-proved":      giveRepository,
	"comment-differs":       compareHistory,
	"commit-differs":        askWhichOrigin,
	"commit-unreachable":    "ask the repository's owners whether the commit is theirs: a fork's commit looks the same",
	"commit-younger":        "the image is older than what the library names for it: give the tag it was pulled by with --as NAME:TAG, or a newer library with --library PATH",
	"config-differs":        askPublisher,
	"content-differs":       askPublisher,
	"context-unknown":       "give the build context: --context DIR, or the repository that holds it: --source REPOSITORY#COMMIT:DIR",
	"diff-id-mismatch":      takeFresh,
	"digest-mismatch":       takeFresh,
	"directory-differs":     askWhichOrigin,
	"dockerfile-invalid":    "look at the Dockerfile at that commit: no builder can have read it",
	"duplicate-path":        treatAsForged,
	"empty-layer-differs":   compareHistory,
	"entry-missing":         compareHistory,
	"entry-unexplained":     compareHistory,
	"expired-untimed":       "ask the signer for a signature with a log entry or a signed timestamp: the certificate alone proves nothing any more",
	"file-added":            askPublisher,
	"file-missing":          askPublisher,
	"files-elsewhere":       letStand,
	"foreign-layer":         "layers at foreign URLs are never fetched: verify a copy that holds them",
	"format-differs":        treatAsForged,
	"from-the-future":       "look at this machine's clock; where it is right, do not use the signature",
	"hash-differs":          askPublisher,
	"hash-unknown":          letStand,
	"history-lost":          "build it with a history: buildah without --squash or without --layers",
	"identity-mismatch":     "compare who signed with who should: the finding names both",
	"key-absent":            "give the distributor's key: --keyring FILE",
	"key-differs":           refuseSigned,
	"key-expired":           askDistributor,
	"key-revoked":           askDistributor,
	"label-added":           "fine where the build command adds labels; else ask the publisher",
	"layer-count":           takeFresh,
	"layout-differs":        askPublisher,
	"level-not-reached":     "see the difference above; where it is harmless, ask for a lower level: --rebuild replay:layers",
	"library-stale":         "run again when the network answers, or give a clone of the official-images library: --library PATH",
	"library-unavailable":   giveLibrary,
	"link-differs":          askPublisher,
	"link-leaves":           askPublisher,
	"list-absent":           "ask the distributor for a checksum list of the rootfs",
	"list-invalid":          "ask the distributor for a checksum list that can be read",
	"list-weak":             "ask the distributor for a checksum list with SHA-256 or SHA-512",
	"log-mismatch":          refuseSigned,
	"log-unknown":           "give the trusted root that holds the log's key: --trusted-root FILE",
	"loose-pattern":         "anchor the pattern with ^ and $ and escape its dots, or name the identity: --certificate-identity",
	"malformed":             takeFresh,
	"media-type-differs":    "ask the publisher to state the media type that the layer has; to let it stand: --accept media-type-differs",
	"mode-differs":          askPublisher,
	"mutable-tag":           "pin it: {pin}",
	"name-unknown":          giveName,
	"needs-newer-builder":   "use a newer builder: docker run -d --name buildkitd --privileged moby/buildkit, then --rebuild build=docker-container://buildkitd",
	"needs-oci-exporter":    "use a builder of its own: docker run -d --name buildkitd --privileged moby/buildkit, then --rebuild build=docker-container://buildkitd",
	"needs-platform":        "give a builder for the platform too: --rebuild build=ADDRESS, once for each",
	"no-accepted-signer":    "say whose signature counts: --key FILE, or --certificate-identity with --certificate-oidc-issuer",
	"no-attestation":        "ask the publisher for signed provenance, or give the file it is in: --provenance FILE",
	"no-builder":            "start one: docker run -d --name buildkitd --privileged moby/buildkit, then --rebuild build=docker-container://buildkitd",
	"no-network":            "run again when the network answers, or give local copies: --git-mirror {repository}=PATH, --library PATH",
	"no-sct":                refuseSigned,
	"no-signature":          askSigner,
	"no-timestamp":          "ask the signer for a signature with a signed timestamp, or do not demand one",
	"no-trusted-root":       "fetch the keys of logs and authorities with verify initialize, or give them: --trusted-root FILE",
	"revocation-unknown":    "ask the authority yourself, and let the trust policy override revocation to \"log\"",
	"not-a-signature":       "ask the publisher for a signature of the image: what is attached states something else",
	"not-built-in":          "use the program as it is released, or build it with what the finding names",
	"not-followed":          "only the image names the repository; to read it, give a copy: --git-mirror {repository}=PATH",
	"not-in-library":        "if it is an official image under another name, say so with --as NAME:TAG; else ask its publisher to name the build definition in the image",
	"not-in-log":            "ask the signer for a signature with its log entry; for one that is in no log on purpose: --insecure-ignore-tlog",
	"not-listed":            askDistributor,
	"nothing-matched":       compareHistory,
	"object-format":         "nothing to do here: repositories with SHA-256 names cannot be read yet",
	"object-mismatch":       "read the repository from another copy: this one holds false objects",
	"offline":               "run again without --offline, or give local copies: --git-mirror {repository}=PATH, --library PATH",
	"order-differs":         treatAsForged,
	"other-digest":          refuseSigned,
	"other-image":           askPublisher,
	"other-repository":      "fine where one repository holds the program and the other the Dockerfile; else ask the publisher",
	"outside-validity":      refuseSigned,
	"over-limit":            "where a layer is meant to be that large: --max-layer-size BYTES; other bounds are fixed",
	"owner-differs":         askPublisher,
	"platform-mismatch":     "ask the publisher: the index promises another platform than the image is for",
	"predicate-differs":     "ask the publisher for a statement of the type that was asked for",
	"ref-differs":           "take the image that was built from the tag or branch, or ask for the one that it names",
	"reference-differs":     "fine for a mirror's copy; else ask why the image is served under this name",
	"repository-differs":    askWhichOrigin,
	"run-unproved":          "a rebuild would prove what RUN made; to let it stand unproved: --accept run-unproved",
	"several-images":        askPublisher,
	"signature-expired":     askDistributor,
	"signature-unsupported": "verify the signature by other means; to let it stand: --accept signature-unsupported",
	"size-mismatch":         takeFresh,
	"source-absent":         giveRepository + ", or the file that is missing: --object FILE",
	"source-differs":        "do not rely on it: the image was built from another repository than you expect, or the provenance is not the builder's",
	"sum-differs":           askDistributor,
	"superseded":            "pull the tag again, or rebuild from the entry in force: {newer}",
	"tag-ended":             "move to a tag that the library still builds",
	"tag-not-in-library":    giveName,
	"text-differs":          compareHistory,
	"threshold-unmet":       "wait for the signatures of more of the accepted signers",
	"time-differs":          askPublisher,
	"trailing-data":         treatAsForged,
	"truncated":             takeFresh,
	"two-sums":              askDistributor,
	"type-differs":          askPublisher,
	"unsafe-path":           treatAsForged,
	"untrusted-issuer":      "do not rely on the certificate, or name its authority: --ca-roots FILE, --trusted-root FILE",
	"weak-hash":             askDistributor,
	"weak-key":              "ask the signer for a signature with a stronger key",
	"wrong-key":             askDistributor,
	"wrong-type":            refuseSigned,
	"xattr-differs":         askPublisher,
}

// Advice says what to do about a reason, for no image in particular; "" where
// there is nothing to say.
func Advice(reason string) string {
	return expand(adviceFor(reason), reason, &verify.Finding{}, &verify.Image{})
}

// adviceFor gives the advice for a reason; "" where there is none.
func adviceFor(reason string) string {
	if strings.HasPrefix(reason, "needs-") {
		return letStand
	}
	return advice[reason]
}

// nextSteps says what to do about everything that does not pass and was not
// accepted, over all images: worst first, each thing once.
func nextSteps(r *verify.Report) []string {
	var steps []step
	for i := range r.Images {
		img := &r.Images[i]
		for j := range img.Findings {
			steps = append(steps, stepsFor(&img.Findings[j], img)...)
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return int(b.status) - int(a.status) })
	var out []string
	seen := map[string]bool{}
	for _, s := range steps {
		if !seen[s.text] {
			seen[s.text] = true
			out = append(out, s.text)
		}
	}
	return out
}

type step struct {
	status verify.Status
	text   string
}

// stepsFor gives a step for the finding's reason and one for each of its parts'.
func stepsFor(f *verify.Finding, img *verify.Image) []step {
	// An image that failed is not one to pin.
	if f.Status == verify.Pass || f.Accepted || f.Reason == "mutable-tag" && img.Verdict == verify.Failed {
		return nil
	}
	var steps []step
	add := func(s verify.Status, reason string) {
		if text := adviceFor(reason); s != verify.Pass && text != "" {
			steps = append(steps, step{s, expand(text, reason, f, img)})
		}
	}
	add(f.Status, f.Reason)
	if f.Details != nil {
		for _, p := range f.Details.Parts {
			add(p.Status, p.Reason)
		}
	}
	return steps
}

// expand fills in the names that advice leaves open, made safe; where one is not
// known a word that says what belongs there.
func expand(text, reason string, f *verify.Finding, img *verify.Image) string {
	pin, newer, repository := "", "", ""
	if f.Details != nil {
		pin = f.Details.Pin
		if f.Details.Newer != nil {
			newer = place(f.Details.Newer)
		}
	}
	if img.Origin != nil && img.Origin.Repository != nil {
		repository = *img.Origin.Repository
	}
	return strings.NewReplacer(
		"{pin}", known(pin, "NAME@DIGEST"),
		"{newer}", known(newer, "-v names it"),
		"{repository}", known(repository, "URL"),
		"{reason}", known(reason, "REASON"),
	).Replace(text)
}

func known(value, placeholder string) string {
	if value == "" {
		return placeholder
	}
	return SafeText(value)
}
