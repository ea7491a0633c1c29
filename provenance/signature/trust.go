package signature

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/sigstore/sigstore-go/pkg/root"

	"github.com/imageverify/verify/provenance/attestation"
)

// MaxTrustedRoot bounds a trusted root, in bytes.
const MaxTrustedRoot = 4 << 20

// Trust are the keys of transparency logs, certificate logs and timestamp
// authorities, and the certificates of authorities, that are to be believed.
type Trust struct {
	material *root.TrustedRoot
}

// ParseTrustedRoot reads a sigstore trusted root in JSON
// (application/vnd.dev.sigstore.trustedroot+json;version=0.1).
func ParseTrustedRoot(data []byte) (*Trust, error) {
	if len(data) > MaxTrustedRoot {
		return nil, fmt.Errorf("trusted root of more than %d bytes", MaxTrustedRoot)
	}
	if err := attestation.CheckJSON(data); err != nil {
		return nil, fmt.Errorf("trusted root: %w", err)
	}
	material, err := root.NewTrustedRootFromJSON(data)
	if err != nil {
		return nil, fmt.Errorf("trusted root: %w", err)
	}
	return &Trust{material: material}, nil
}

// Authority is a certificate authority that the user names.
type Authority struct {
	roots, intermediates []*x509.Certificate
}

// NewAuthority reads the certificates of an authority from PEM: roots to believe,
// and intermediates, which may be empty, to find the way to them.
func NewAuthority(roots, intermediates []byte) (*Authority, error) {
	a := &Authority{}
	var err error
	if a.roots, err = parseCertificates(roots); err != nil {
		return nil, fmt.Errorf("roots: %w", err)
	}
	if len(intermediates) > 0 {
		if a.intermediates, err = parseCertificates(intermediates); err != nil {
			return nil, fmt.Errorf("intermediates: %w", err)
		}
	}
	return a, nil
}

// maxCertificates bounds the certificates of a PEM file or a chain.
const maxCertificates = 100

// parseCertificates reads the certificates of a PEM text; at least one.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	if len(data) > MaxKeyFile {
		return nil, fmt.Errorf("certificates of more than %d bytes", MaxKeyFile)
	}
	for rest := data; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%q is no certificate", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(out)+1, err)
		}
		if out = append(out, c); len(out) > maxCertificates {
			return nil, fmt.Errorf("more than %d certificates", maxCertificates)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate in PEM (BEGIN CERTIFICATE)")
	}
	return out, nil
}
