package signature

import (
	"context"

	"github.com/notaryproject/notation-core-go/revocation"
	"github.com/notaryproject/notation-core-go/revocation/result"
)

// unrevoked answers notation's question whether certificates are revoked without
// asking anybody: one that names no service to ask cannot be, of others it is unknown.
type unrevoked struct {
	// stamps says that the certificates are a timestamp authority's: of those it is
	// taken that they are not, as of the authorities of a trusted root.
	stamps bool
}

// ValidateContext implements revocation.Validator.
func (u unrevoked) ValidateContext(_ context.Context, o revocation.ValidateContextOptions) ([]*result.CertRevocationResult, error) {
	out := make([]*result.CertRevocationResult, len(o.CertChain))
	for i, c := range o.CertChain {
		out[i] = &result.CertRevocationResult{Result: result.ResultNonRevokable}
		// The last is the root, which nobody can revoke.
		if i < len(o.CertChain)-1 && !u.stamps && len(c.OCSPServer)+len(c.CRLDistributionPoints) > 0 {
			out[i].Result = result.ResultUnknown
		}
	}
	return out, nil
}
