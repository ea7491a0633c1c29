package output_test

import (
	"time"

	"github.com/imageverify/verify"
)

// based is an image on a base that has triggers and is not verified, which
// stands on one that is; and one on a base of which nothing is known.
func based() *verify.Report {
	run := verify.Finding{Check: "layer.content", Status: verify.Unknown, Reason: "run-unproved", Required: true, Evidence: evidence(),
		Summary: "layer 2: Dockerfile:4: RUN apk add --no-cache ca-certificates"}
	root := &verify.Base{Reference: "distro:3.20", Found: "layers", ChainID: digest2, Layers: 1, Entries: 2, Depth: 2, Verdict: verify.Verified,
		Created: ptr(time.Date(2024, 9, 6, 12, 5, 36, 0, time.UTC)), Origin: origin(), Findings: []verify.Finding{traced(), directives(), content()},
		Base: &verify.Base{Reference: "scratch", Depth: 3}}
	middle := &verify.Base{Reference: "registry.example.org/team/runtime:1", Found: "flag", Image: "oci:runtime", Digest: ptr(digest3), ImageID: ptr(imageID),
		ChainID: digest1, Layers: 2, Entries: 5, Depth: 1, OnBuild: []string{"COPY . /app", "RUN make"}, Verdict: verify.Incomplete,
		Origin: origin(), Findings: []verify.Finding{digests(), traced(), run}, Base: root}
	img := image(verify.Incomplete, "linux/amd64", digest1,
		verify.Finding{Check: "base.layers", Status: verify.Unknown, Reason: "base-unverified", Evidence: evidence("digest", digest3),
			Summary: "2 layers and 5 history entries below the Dockerfile's own are those of registry.example.org/team/runtime:1 (oci:runtime), which is not verified: layer.content (run-unproved)"},
		verify.Finding{Check: "base.freshness", Status: verify.Warn, Reason: "base-moved", Evidence: evidence("digest", digest2),
			Summary: "registry.example.org/team/runtime:1 has moved on: it now names " + digest2 + " of 2024-10-16; the image's base is of 2024-09-06, 40 days older",
			Details: &verify.Details{Pin: "registry.example.org/team/runtime:1@" + digest2}})
	img.Base = middle
	img.Inputs = []verify.Input{{Reference: "busybox:1", Line: 5, How: "COPY --from="}, {Reference: "golang:1", Line: 1, How: "FROM"}}
	lost := image(verify.Incomplete, "linux/386", digest2, verify.Finding{Check: "base.layers", Status: verify.Unknown, Reason: "offline", Evidence: evidence(),
		Summary: "runtime:1: registry index.docker.io: the network is off"})
	lost.Base = &verify.Base{Reference: "runtime:1", Depth: 1}
	r := report(img, lost)
	r.Verdict = verify.Incomplete
	return r
}
