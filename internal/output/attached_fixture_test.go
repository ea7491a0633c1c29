package output_test

import (
	"strings"
	"time"

	"github.com/imageverify/verify"
)

// attached is an image with something attached in every way, good and bad.
func attached() *verify.Report {
	hex := strings.TrimPrefix(digest1, "sha256:")
	content := func(media string, size int64, says *verify.SignatureSays) verify.AttachedContent {
		return verify.AttachedContent{Digest: digest3, MediaType: media, Size: size, Says: says}
	}
	keyless := &verify.SignatureSays{Signed: true, Signer: "alice@example.com", Issuer: "https://accounts.example.com", Time: ptr(time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC)),
		LogIndex: ptr(int64(1234567)), Timestamps: 2, Subjects: []string{digest1}, Reference: "registry.example/app"}
	verified := content("application/vnd.dev.cosign.simplesigning.v1+json", 241, keyless)
	verified.Verified, verified.Signer = true, "alice@example.com (https://accounts.example.com)"
	refused := content("application/vnd.dev.cosign.simplesigning.v1+json", 241, &verify.SignatureSays{Signed: true, Subjects: []string{digest2}})
	refused.Reason, refused.Problem = "other-digest", "the payload is about another manifest"
	provenance := &verify.SignatureSays{PredicateType: "https://slsa.dev/provenance/v1", Builder: "https://builder.example/run/1", Subjects: []string{digest1}}
	gone := content("application/vnd.dsse.envelope.v1+json", 1000, nil)
	gone.Reason, gone.Problem = "blob-absent", "it is not there"
	img := image(verify.Incomplete, "linux/amd64", digest1, failed().Images[0].Findings[4])
	img.Signatures = []verify.SignedSubject{
		{Digest: digest1, What: "manifest", Signed: true, Attached: []verify.AttachedItem{
			{Kind: "signature", Found: "tag", Tag: "sha256-" + hex + ".sig", Digest: digest2, ArtifactType: "application/vnd.oci.image.config.v1+json", Size: 1800,
				Contents: []verify.AttachedContent{verified, content("application/vnd.dev.cosign.simplesigning.v1+json", 241, keyless), refused}},
			{Kind: "buildkit", Found: "index", Digest: digest3, Size: 84_000, Contents: []verify.AttachedContent{content("application/vnd.in-toto+json", 83_000, provenance)},
				Signatures: &verify.SignedSubject{Digest: digest3, What: "attachment", Attached: []verify.AttachedItem{{Kind: "bundle", Found: "referrers", Digest: digest2, ArtifactType: "application/vnd.dev.sigstore.bundle.v0.3+json", Size: 9000,
					Contents: []verify.AttachedContent{content("application/vnd.dev.sigstore.bundle.v0.3+json", 8000, keyless)}}}}},
			{Kind: "attestation", Found: "tag", Tag: "sha256-" + hex + ".att", Digest: digest3, Contents: []verify.AttachedContent{gone}},
			{Kind: "artifact", Found: "referrers", Digest: digest2, ArtifactType: "application/x.scan", Size: 10, Contents: []verify.AttachedContent{content("application/x.scan", 10, nil)}},
			{Kind: "bundle", Found: "referrers-tag", Tag: "sha256-" + hex, Digest: digest2, Size: 500, Reason: "other-subject", Problem: "manifest " + digest2 + " is listed for " + digest1 + " and names no subject",
				Contents: []verify.AttachedContent{}},
			{Kind: "of a later version", Found: "of a later version", Contents: []verify.AttachedContent{}},
		}, Unread: []verify.UnreadPlace{{Found: "referrers", Reason: "over-limit", Problem: "list of referrers: over the limit of 1000"}, {Found: "tag", Tag: "sha256-" + hex + ".sbom", Reason: "no-network", Problem: "no answer"}}},
		{Digest: digest2, What: "index", Attached: []verify.AttachedItem{}},
	}
	return report(img)
}
