package output_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output/outputtest"
)

// Made-up ids: recognisable, of the right length, and of no real thing.
var (
	commitA = strings.Repeat("a1b2c3d4", 5)
	commitB = strings.Repeat("0badcafe", 5)
	commitC = strings.Repeat("5a5ec0de", 5)
	digest1 = "sha256:" + strings.Repeat("11aa22bb", 8)
	digest2 = "sha256:" + strings.Repeat("33cc44dd", 8)
	digest3 = "sha256:" + strings.Repeat("55ee66ff", 8)
	imageID = "sha256:" + strings.Repeat("77008811", 8)
	fileID  = strings.Repeat("f11e", 10)
	headID  = strings.Repeat("11b4", 10)
)

func ptr[T any](v T) *T { return &v }

func evidence(pairs ...string) []verify.Evidence {
	out := []verify.Evidence{}
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, verify.Evidence{Kind: pairs[i], Value: pairs[i+1]})
	}
	return out
}

const repository = "https://git.example.org/distro/docker-distro"

func libraryClaim() verify.Claim {
	return verify.Claim{Source: "library", Kind: "build", Repository: repository, Commit: commitA, Directory: "x86_64", File: "Dockerfile",
		Evidence: evidence("git", "https://git.example.org/library#"+headID)}
}

func origin() *verify.Origin {
	return &verify.Origin{
		Repository: ptr(repository), Commit: ptr(commitA), Directory: "x86_64", File: "Dockerfile", Builder: "dockerfile",
		CommitTime: ptr(time.Date(2024, 9, 6, 12, 5, 36, 0, time.UTC)), Archives: []string{"distro-minirootfs-3.20.3-x86_64.tar.gz"},
		Claims: []verify.Claim{libraryClaim(), {Source: "annotation", Kind: "build", Repository: repository, Commit: commitA, Directory: "x86_64", Evidence: evidence()}},
	}
}

func report(images ...verify.Image) *verify.Report {
	r := &verify.Report{SchemaVersion: verify.SchemaVersion, Program: verify.Program{Version: "v0.1.0"}, Images: images,
		Timings: verify.Timings{Total: verify.Duration(410 * time.Millisecond), Stages: map[string]verify.Duration{
			"trace": verify.Duration(120 * time.Millisecond), "layers": verify.Duration(250 * time.Millisecond)}}}
	if len(images) > 0 {
		r.Reference, r.Verdict = images[0].Reference, images[0].Verdict
	}
	return r
}

func image(verdict verify.Verdict, platform, digest string, findings ...verify.Finding) verify.Image {
	return verify.Image{Reference: "distro:3.20.3", Name: "docker.io/library/distro:3.20.3", NameSource: "reference", Digest: ptr(digest), ImageID: imageID, Platform: ptr(platform),
		Created: ptr(time.Date(2024, 9, 6, 12, 5, 36, 0, time.UTC)), Verdict: verdict, Origin: origin(), Findings: findings}
}

func digests() verify.Finding {
	return verify.Finding{Check: "image.digests", Summary: "manifest, config and 1 layer (3.6 MB) hash to their digests and diff IDs", Required: true,
		Evidence: evidence("digest", digest1), Details: &verify.Details{Cached: true, Parts: []verify.Part{
			{Name: "manifest", Summary: digest1}, {Name: "config", Summary: imageID}, {Name: "layer 1", Summary: digest2}}}}
}

func mutableTag() verify.Finding {
	return verify.Finding{Check: "image.reference", Status: verify.Warn, Reason: "mutable-tag", Evidence: evidence("digest", digest3),
		Summary: `"distro:3.20.3" can mean another image tomorrow; today it is ` + digest3,
		Details: &verify.Details{Pin: "distro@" + digest3}}
}

func traced() verify.Finding {
	return verify.Finding{Check: "trace.origin", Summary: "x86_64/Dockerfile at " + commitA + ", every object re-hashed, matches", Required: true,
		Evidence: evidence("git", repository+"#"+commitA+":x86_64", "git", fileID+" (x86_64/Dockerfile)")}
}

func checksum() verify.Finding {
	return verify.Finding{Check: "rootfs.checksum", Summary: "distro-minirootfs-3.20.3-x86_64.tar.gz is in Distro's checksums.sha512", Required: true,
		Evidence: evidence("file", "checksums.sha512:7"), Details: &verify.Details{Independent: ptr(false), NotIndependent: "offline"}}
}

func directives() verify.Finding {
	return verify.Finding{Check: "history.directives", Summary: "3 directives and 3 history entries match in the buildkit builder's form", Required: true,
		Evidence: evidence("git", fileID+" (x86_64/Dockerfile)"), Details: &verify.Details{}}
}

func claimsAgree() verify.Finding {
	return verify.Finding{Check: "trace.claims", Summary: "2 claims agree on " + repository, Required: true, Evidence: evidence()}
}

func content() verify.Finding {
	return verify.Finding{Check: "layer.content", Summary: "8.1 MB of 8.1 MB proved from the source, entry by entry", Required: true, Evidence: evidence(),
		Details: &verify.Details{Bytes: &verify.Coverage{Proved: 8_123_456}, Files: &verify.Coverage{Proved: 527}}}
}

// verified is an image of which everything is proved that can be.
func verified() *verify.Report {
	img := image(verify.Verified, "linux/amd64", digest1, digests(), mutableTag(), traced(), claimsAgree(), directives(), checksum(), content(), rebuiltLevel())
	all := share(8_123_456, 0, 0, 527, 0, 0)
	img.Rebuild = &verify.Rebuilt{Level: verify.SameImageID, Coverage: all,
		Layers:    []verify.RebuiltLayer{{DiffID: digest2, Level: verify.SameLayers, Directive: 2, Coverage: all}},
		Witnesses: []verify.Witness{{Field: "history[0].created", Value: "2024-09-06T12:05:36.5Z"}, {Field: "container", Value: "a6c76f98ead5"}},
		Notes:     []string{"layer 1 is not compressed as Go's gzip does it; its blob unpacks to the diff ID that was rebuilt, and its compressed form proves nothing more"},
		Build: &verify.RebuildBuild{Builder: "buildkit", Version: "v0.34.2", Address: "unix:///run/buildkit/buildkitd.sock", Worker: "linux/amd64", Digest: digest1, ImageID: digest2,
			Network: "none", SourceDate: ptr(time.Date(2024, 9, 6, 12, 5, 36, 0, time.UTC)), Bases: []verify.PinnedImage{{Reference: "debian:12", Digest: digest3}}}}
	return report(img)
}

func rebuiltLevel() verify.Finding {
	return verify.Finding{Check: "rebuild.level", Summary: "assembled from the source to the level image-id, with 2 values taken from the image", Evidence: evidence(), Required: true}
}

// share is a coverage of bytes and files: proved, of the base, not proved.
func share(n ...int64) *verify.RebuildCoverage {
	return &verify.RebuildCoverage{Bytes: verify.Coverage{Proved: n[0], Base: n[1], Unproved: n[2]}, Files: verify.Coverage{Proved: n[3], Base: n[4], Unproved: n[5]}}
}

// failed is a tampered image with a superseded entry.
func failed() *verify.Report {
	var parts []verify.Part
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
		parts = append(parts, verify.Part{Name: "layer " + name, Status: verify.Fail, Reason: "file-added",
			Summary: `Dockerfile:2: "etc/` + name + `" is in the layer and not in the source`})
	}
	parts = append(parts, verify.Part{Name: "layer m", Status: verify.Unknown, Reason: "run-unproved", Summary: "Dockerfile:4: RUN make"},
		verify.Part{Name: "layer n", Summary: "12 entries as Dockerfile:3 makes them"})
	newer := libraryClaim()
	newer.Commit = commitB
	img := image(verify.Failed, "linux/amd64", digest1,
		verify.Finding{Check: "image.digests", Status: verify.Fail, Reason: "digest-mismatch", Required: true, Evidence: evidence("digest", digest1),
			Summary: "layer 1: asked for " + digest2 + ", got bytes of " + digest3,
			Details: &verify.Details{Parts: []verify.Part{{Name: "layer 1", Status: verify.Fail, Reason: "digest-mismatch", Summary: "asked for " + digest2 + ", got bytes of " + digest3}}}},
		traced(),
		verify.Finding{Check: "trace.claims", Status: verify.Fail, Reason: "commit-differs", Required: true, Summary: "library and annotation: " + commitA + " against " + commitB, Evidence: evidence()},
		verify.Finding{Check: "trace.current", Status: verify.Warn, Reason: "superseded", Summary: "2 entries newer in the library, the newest of 2025-01-08",
			Evidence: evidence("git", headID), Details: &verify.Details{Newer: &newer, Behind: 2}},
		verify.Finding{Check: "history.directives", Status: verify.Fail, Reason: "text-differs", Required: true, Evidence: evidence("git", fileID+" (x86_64/Dockerfile)"),
			Summary: "Dockerfile:3: the Dockerfile gives \"CMD [\\\"sh\\\"]\", history has \"CMD [\\\"nc\\\"]\" (and 1 more)",
			Details: &verify.Details{Holes: []string{"PATH"}, Parts: []verify.Part{
				{Name: "Dockerfile:3", Status: verify.Fail, Reason: "text-differs", Summary: `the Dockerfile gives "CMD [\"sh\"]", history has "CMD [\"nc\"]"`},
				{Name: "history entry 4", Status: verify.Fail, Reason: "entry-unexplained", Summary: `no directive gives "RUN curl evil"`}}}},
		verify.Finding{Check: "layer.content", Status: verify.Fail, Reason: "file-added", Required: true, Evidence: evidence("git", repository+"#"+commitA+":x86_64"),
			Summary: `layer a: Dockerfile:2: "etc/a" is in the layer and not in the source (and 12 more)`,
			Details: &verify.Details{Parts: parts, Counts: map[string]int{"only-in-b": 12, "content": 1},
				Bytes: &verify.Coverage{Proved: 1_000_000, Base: 500_000, Unproved: 6_500_000}, Files: &verify.Coverage{Proved: 12, Base: 5, Unproved: 30}}},
	)
	img.Rebuild = &verify.Rebuilt{Level: verify.Different, Coverage: share(1_000_000, 500_000, 6_500_000, 12, 5, 30), Witnesses: []verify.Witness{},
		Layers:     []verify.RebuiltLayer{{DiffID: digest2, Level: verify.Different, Directive: 2, Reason: "file-added", Coverage: share(0, 0, 6_500_000, 0, 0, 30)}},
		Difference: &verify.Difference{Where: "layer 1", Path: "etc/a", Field: "only-in-b", Rebuilt: "-", Published: "file"}}
	return report(img)
}

// incomplete is traced, with RUN layers that nothing proves.
func incomplete() *verify.Report {
	r := report(image(verify.Incomplete, "linux/arm64/v8", digest1, digests(), mutableTag(), traced(), claimsAgree(), directives(),
		verify.Finding{Check: "rootfs.checksum", Status: verify.Unknown, Reason: "list-absent", Required: true, Accepted: true, Evidence: evidence(),
			Summary: "distro.tar.gz: checksums.sha512 does not exist"},
		verify.Finding{Check: "layer.content", Status: verify.Unknown, Reason: "run-unproved", Required: true, Evidence: evidence("git", repository+"#"+commitA+":x86_64"),
			Summary: "layer 2: Dockerfile:4: RUN apk add --no-cache ca-certificates (and 1 more)",
			Details: &verify.Details{Bytes: &verify.Coverage{Proved: 71_200_000, Unproved: 2_800_000}, Files: &verify.Coverage{Proved: 600, Unproved: 31},
				Parts: []verify.Part{
					{Name: "layer 2", Status: verify.Unknown, Reason: "run-unproved", Summary: "Dockerfile:4: RUN apk add --no-cache ca-certificates"},
					{Name: "layer 3", Status: verify.Unknown, Reason: "run-unproved", Summary: "Dockerfile:5: RUN make install"},
					{Name: "layer 1", Summary: "527 entries as Dockerfile:2 makes them: ADD"}}}},
	))
	r.Images[0].Rebuild = &verify.Rebuilt{Coverage: share(71_200_000, 0, 2_800_000, 600, 0, 31), Witnesses: []verify.Witness{}, Layers: []verify.RebuiltLayer{},
		Build: &verify.RebuildBuild{Builder: "buildkit", Address: "tcp://builder.example:1234", Network: "default", Bases: []verify.PinnedImage{},
			Log: []string{"#7 [2/2] RUN apk add --no-cache ca-certificates", "#7 0.112 WARNING: \x1b[31mno network"}}}
	return r
}

// platforms is an index of three platforms that fare differently.
func platforms() *verify.Report {
	a, b, c := verified().Images[0], failed().Images[0], incomplete().Images[0]
	b.Digest, b.Platform = ptr(digest2), ptr("linux/386")
	c.Digest = ptr(digest3)
	r := report(a, b, c)
	r.Verdict = verify.Failed
	return r
}

// references is a run over several references, one of which cannot be opened
// and one of which has no origin, no manifest and no platform.
func references() *verify.Report {
	bare := verify.Image{Reference: "docker-archive:app.tar", Name: "example.com/app:1", NameSource: "image", ImageID: imageID, Verdict: verify.Incomplete, Findings: []verify.Finding{
		{Check: "trace.origin", Status: verify.Unknown, Reason: "name-unknown", Required: true, Evidence: evidence(),
			Summary: "no origin is known: the image has no name"}}}
	unproved := verified().Images[0]
	unproved.Verdict = verify.Incomplete
	unproved.Reference = "registry.example.org/team/distro:3.20.3"
	unproved.Findings = []verify.Finding{digests(), {Check: "trace.origin", Status: verify.Unknown, Reason: "offline", Required: true, Evidence: evidence(),
		Summary: "the library names " + repository + "#" + commitA + ":x86_64: the network is off",
		Details: &verify.Details{Candidates: []verify.Attempt{{Repository: repository, Commit: commitA, Directory: "x86_64", Outcome: "offline"},
			{Repository: repository, Commit: commitB, Directory: "x86_64", Outcome: "text-differs"}},
			SameAs: &verify.SameAs{Repository: repository, Commit: commitC, Directory: "x86_64", File: "Dockerfile", Serial: "20240906", Content: true}}}}
	r := report(verified().Images[0], unproved, bare)
	r.References = []string{"distro:3.20.3", "registry.example.org/team/distro:3.20.3", "docker-archive:app.tar", "distro:nowhere"}
	r.Verdict = verify.Incomplete
	r.Errors = []verify.RunError{{Code: "not-found", Message: "distro:nowhere: no such tag", Hint: "the registry has: 3.20.3, 3.20.2\nask for one of them", Input: "distro:nowhere"}}
	return r
}

// handedIn is the user's own image, traced to a Dockerfile and a context that
// were handed in.
func handedIn() *verify.Report {
	img := image(verify.Verified, "linux/amd64", digest1, digests(),
		verify.Finding{Check: "trace.origin", Summary: "app/Dockerfile, which was handed in, matches; no repository and no commit are known", Required: true,
			Evidence: evidence("digest", digest3+" (app/Dockerfile)", "file", "app/Dockerfile")}, claimsAgree(), directives(), content())
	img.Reference, img.Name, img.NameSource = "docker-daemon:app:1", "", ""
	img.Origin = &verify.Origin{File: "app/Dockerfile", Context: "app", Builder: "dockerfile", Claims: []verify.Claim{
		{Source: "flag", Kind: "build", File: "app/Dockerfile", Evidence: evidence("file", "app/Dockerfile")},
		{Source: "label", Kind: "source", Repository: repository, Base: true, Evidence: evidence()}}}
	return report(img)
}

const nasty = outputtest.Nasty

// hostile has the same nasty text in each string of the report but verdicts,
// which are never foreign.
func hostile() *verify.Report {
	r := references()
	r.Images[0].Findings = append(r.Images[0].Findings, failed().Images[0].Findings...)
	r.Images[0].Base, r.Images[0].Inputs = based().Images[0].Base, based().Images[0].Inputs
	fillStrings(reflect.ValueOf(r), nasty)
	judgeHostile(r)
	return r
}

// judgeHostile sets the verdicts of the hostile report.
func judgeHostile(r *verify.Report) {
	r.Verdict = verify.Failed
	r.Images[0].Verdict, r.Images[1].Verdict, r.Images[2].Verdict = verify.Failed, verify.Incomplete, verify.Verified
	for b := r.Images[0].Base; b != nil; b = b.Base {
		b.Verdict = verify.Incomplete
	}
}

// fillStrings sets every string that v leads to.
func fillStrings(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fillStrings(v.Elem(), s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fillStrings(v.Field(i), s)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			fillStrings(v.Index(i), s)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			value := v.MapIndex(k)
			v.SetMapIndex(k, reflect.Value{})
			v.SetMapIndex(reflect.ValueOf(s), value)
		}
	case reflect.String:
		v.SetString(s)
	}
}

var fixtures = []struct {
	name string
	make func() *verify.Report
}{
	{"verified", verified}, {"failed", failed}, {"incomplete", incomplete},
	{"platforms", platforms}, {"references", references}, {"handed-in", handedIn}, {"history", history}, {"attached", attached}, {"based", based}, {"hostile", hostile},
}

func TestFixturesReachEveryField(t *testing.T) {
	// A field that no fixture sets is a field that no test sees.
	seen := map[string]bool{}
	for _, f := range fixtures {
		noteFields(reflect.ValueOf(f.make()), seen)
	}
	for _, field := range fieldsOf(reflect.TypeFor[verify.Report](), nil) {
		if !seen[field] {
			t.Errorf("no fixture sets %s", field)
		}
	}
}

func noteFields(v reflect.Value, seen map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		noteFields(v.Elem(), seen)
	case reflect.Slice:
		for i := range v.Len() {
			noteFields(v.Index(i), seen)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
				seen[v.Type().Name()+"."+f.Name] = true
				noteFields(v.Field(i), seen)
			}
		}
	}
}

// fieldsOf lists the fields that a type leads to, each once.
func fieldsOf(t reflect.Type, fields []string) []string {
	switch {
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Slice:
		return fieldsOf(t.Elem(), fields)
	case t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]():
		return fields
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if name := t.Name() + "." + f.Name; f.IsExported() && !slices.Contains(fields, name) {
			fields = fieldsOf(f.Type, append(fields, name))
		}
	}
	return fields
}
