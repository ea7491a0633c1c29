package verify

import (
	"cmp"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	required := func(s Status) Finding { return Finding{Status: s, Required: true} }
	optional := func(s Status) Finding { return Finding{Status: s} }
	accepted := func(s Status) Finding { return Finding{Status: s, Required: true, Accepted: true} }
	tests := []struct {
		name     string
		findings []Finding
		want     Verdict
	}{
		{"nothing at all verifies nothing", nil, Incomplete},
		{"passes that are not required verify nothing", []Finding{optional(Pass)}, Incomplete},
		{"all required pass", []Finding{required(Pass), required(Pass)}, Verified},
		{"an optional warning does not stand in the way", []Finding{required(Pass), optional(Warn)}, Verified},
		{"an optional unknown does not stand in the way", []Finding{required(Pass), optional(Unknown)}, Verified},
		{"an optional failure fails", []Finding{required(Pass), optional(Fail)}, Failed},
		{"a required warning is incomplete", []Finding{required(Warn)}, Incomplete},
		{"a required unknown is incomplete", []Finding{required(Pass), required(Unknown)}, Incomplete},
		{"an accepted unknown stands", []Finding{required(Pass), accepted(Unknown)}, Verified},
		{"acceptance never mends a failure", []Finding{required(Pass), accepted(Fail)}, Failed},
		{"a failure after an unknown still fails", []Finding{required(Unknown), required(Fail)}, Failed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Judge(tt.findings); got != tt.want {
				t.Errorf("Judge = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestStatusesAreOrderedBothWays(t *testing.T) {
	order := []Status{Pass, Warn, Unknown, Fail}
	for i, a := range order {
		for j, b := range order {
			if got := worstFirst(a, b); got != cmp.Compare(j, i) {
				t.Errorf("worstFirst(%s, %s) = %d", a, b, got)
			}
		}
	}
}

func TestRunIsJudgedByItsWorstImage(t *testing.T) {
	images := func(v ...Verdict) (out []Image) {
		for _, x := range v {
			out = append(out, Image{Verdict: x})
		}
		return out
	}
	tests := []struct {
		name   string
		images []Image
		errors int
		want   Verdict
	}{
		{"all verified", images(Verified, Verified), 0, Verified},
		{"one failed", images(Verified, Failed, Incomplete), 0, Failed},
		{"one incomplete", images(Verified, Incomplete), 0, Incomplete},
		{"one that could not be opened", images(Verified), 1, Incomplete},
		{"a failure beside one that could not be opened", images(Failed), 1, Failed},
		{"no image", nil, 0, Incomplete},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judgeRun(tt.images, tt.errors); got != tt.want {
				t.Errorf("judgeRun = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRequirementsSelectByIDOrPrefixUpToADot(t *testing.T) {
	tests := []struct {
		r                Requirements
		id               string
		wants, mustTable bool
	}{
		{Requirements{}, "trace.origin", true, true},
		{Requirements{Only: []string{"trace"}}, "trace.origin", true, true},
		{Requirements{Only: []string{"tra"}}, "trace.origin", false, false},
		{Requirements{Only: []string{"trace.origin"}}, "trace.claims", false, false},
		{Requirements{Only: []string{"history"}, Require: []string{"trace.origin"}}, "trace.origin", true, true},
		{Requirements{Skip: []string{"trace"}}, "trace.origin", false, true},
		{Requirements{Only: []string{"history"}}, "image.digests", false, false},
	}
	for _, tt := range tests {
		if got := tt.r.wants(tt.id); got != tt.wants {
			t.Errorf("%+v wants(%s) = %v", tt.r, tt.id, got)
		}
		if got := tt.r.requires(tt.id, true); got != tt.mustTable {
			t.Errorf("%+v requires(%s, true) = %v", tt.r, tt.id, got)
		}
	}
}

func TestRequirementsRefuseWhatSelectsNothing(t *testing.T) {
	tests := []struct {
		r    Requirements
		want string
	}{
		{Requirements{Only: []string{"imag"}}, `no check is called "imag"`},
		{Requirements{Skip: []string{"image.digest"}}, `no check is called "image.digest"`},
		{Requirements{Require: []string{""}}, `no check is called ""`},
		{Requirements{Accept: []string{"digest-mismatch"}}, `"digest-mismatch" is the reason of a failure`},
		{Requirements{Accept: []string{"nonsense"}}, `no check gives the reason "nonsense"`},
		{Requirements{Require: []string{"trace.origin"}, Skip: []string{"trace"}}, `both required and skipped`},
	}
	for _, tt := range tests {
		err := tt.r.Validate()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want one with %q", tt.r, err, tt.want)
		}
	}
	good := Requirements{Only: []string{"trace", "image.digests"}, Accept: []string{"run-unproved"}}
	if err := good.Validate(); err != nil {
		t.Errorf("%+v: %v", good, err)
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 1499: "1.5 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 3_623_904: "3.6 MB", 1 << 40: "1.1 TB",
	} {
		if got := FormatBytes(n); got != want {
			t.Errorf("FormatBytes(%d) = %q, want %q", n, got, want)
		}
	}
}
