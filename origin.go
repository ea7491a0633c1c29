package verify

import "github.com/imageverify/verify/provenance"

// originOf states the trace's origin for the report.
func originOf(f *facts) *Origin {
	if f.trace == nil || f.trace.Origin == nil && len(f.claims()) == 0 {
		return nil
	}
	out := &Origin{Claims: []Claim{}}
	for _, c := range f.claims() {
		out.Claims = append(out.Claims, reportClaim(c))
	}
	a := f.trace.Origin
	if a == nil {
		c := f.claims()[0]
		out.Repository, out.Commit, out.Directory, out.File = text(c.Repository), text(c.Commit), c.Directory, c.File
		return out
	}
	out.Repository, out.Commit, out.Directory, out.File, out.Builder = text(a.Repository), text(a.Commit), a.Directory, a.File, a.Builder
	out.Context = a.ContextName
	if !a.CommitTime.IsZero() {
		when := a.CommitTime.UTC()
		out.CommitTime = &when
	}
	if a.Build != nil {
		out.Archives = archives(a)
	}
	return out
}

func reportClaim(c provenance.Claim) Claim {
	return Claim{Source: c.Source, Kind: c.Kind, Repository: c.Repository, Commit: c.Commit,
		Directory: c.Directory, File: c.File, Base: c.Base, Evidence: evidenceOf(c)}
}

// text is nil for the empty string.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
