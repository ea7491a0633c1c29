package signature

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/imageverify/verify/provenance/signed"
)

// Verify verifies one item. Whatever is wrong with it, or kept it from being judged,
// is in the result.
func (v *Verifier) Verify(ctx context.Context, item signed.Item) (r signed.Result) {
	// The libraries that read log entries, timestamps and certificates are given what
	// strangers wrote.
	defer func() {
		if p := recover(); p != nil {
			r = refuse(signed.Result{}, faultf(signed.Malformed, "it brings down what reads it: %v", p))
		}
	}()
	if err := ctx.Err(); err != nil {
		return refuse(signed.Result{}, faultf(signed.NotBuiltIn, "%v", err))
	}
	if len(item.Content) > maxPayload {
		return refuse(signed.Result{}, faultf(signed.OverLimit, "more than %d bytes", maxPayload))
	}
	switch item.Kind {
	case signed.SimpleSigning:
		e, c, err := parseSimple(item)
		return v.judge(e, c, err, item.Subject)
	case signed.Bundle:
		e, c, err := parseBundle(item)
		return v.judge(e, c, err, item.Subject)
	case signed.Envelope:
		return v.envelope(item)
	case signed.Notary:
		return v.notary(ctx, item)
	}
	return refuse(signed.Result{}, faultf(signed.NotBuiltIn, "signatures of the form %q cannot be verified here", item.Kind))
}

// notary verifies a Notary Project signature, where a trust policy is given.
func (v *Verifier) notary(ctx context.Context, item signed.Item) signed.Result {
	if v.policy.Notary != nil {
		return v.policy.Notary.verify(ctx, item)
	}
	var r signed.Result
	if _, err := readNotary(item, &r); err != nil {
		return refuse(r, err)
	}
	return refuse(r, faultf(signed.NoAcceptedSigner, "signed, by its own account, by %s; no trust policy is given (--trust-policy and --trust-store)", r.Signer))
}

// envelope verifies every signature of an envelope; one that is valid is enough.
func (v *Verifier) envelope(item signed.Item) signed.Result {
	all, c, err := parseEnvelopes(item)
	if len(all) == 0 {
		return v.judge(nil, c, err, item.Subject)
	}
	var best signed.Result
	for i, e := range all {
		r := v.judge(e, c, err, item.Subject)
		if i == 0 || r.Valid || r.Accepted && !best.Accepted {
			best = r
		}
		if r.Valid {
			break
		}
	}
	return best
}

func refuse(r signed.Result, err error) signed.Result {
	r.Valid, r.Reason, r.Detail = false, signed.Malformed, err.Error()
	if f, ok := errors.AsType[*fault](err); ok {
		r.Reason = f.reason
	}
	return r
}

// judge verifies one entity. parsed is what was wrong with its form: who signed is
// told all the same where that can be read.
func (v *Verifier) judge(e *entity, c claims, parsed error, subject v1.Hash) signed.Result {
	var r signed.Result
	if e == nil {
		return refuse(r, parsed)
	}
	r.Payload, r.PayloadType = e.payload, e.payloadType
	c.fill(&r)
	key, err := v.signer(e, &r)
	switch {
	case parsed != nil:
		return refuse(r, parsed)
	case !v.policy.accepts():
		return refuse(r, faultf(signed.NoAcceptedSigner, "signed, by its own account, by %s; nobody is accepted", r.Signer))
	case err != nil:
		return refuse(r, err)
	}
	if err := v.check(e, key, &r); err != nil {
		return refuse(r, err)
	}
	if err := v.checkClaims(c, subject); err != nil {
		return refuse(r, err)
	}
	r.Valid = true
	return r
}

// signer finds out who signed: whose key verifies the signature.
func (v *Verifier) signer(e *entity, r *signed.Result) (Key, error) {
	if e.certificate == nil {
		return v.keySigner(e, r)
	}
	s, key, err := signerOf(e.certificate)
	r.Signer = s
	if err != nil {
		return key, err
	}
	if len(v.policy.Keys) > 0 {
		return key, v.keyBeside(e, key, r)
	}
	for _, id := range v.policy.Identities {
		r.Accepted = r.Accepted || id.accepts(s)
	}
	if !r.Accepted {
		return key, faultf(signed.IdentityMismatch, "the certificate is of %s, not of %s%s", s, v.policy.names(), workflowText(s))
	}
	if !e.signedBy(key.Public) {
		return key, faultf(signed.BadSignature, "the signature is not over this content, or not by the key of the certificate of %s", s)
	}
	return key, nil
}

func workflowText(s signed.Signer) string {
	if s.Workflow == nil {
		return ""
	}
	return fmt.Sprintf(" (workflow %+v)", *s.Workflow)
}

// names are the accepted signers in a line.
func (p Policy) names() string { return strings.Join(p.Accepted(), " or ") }

// Accepted names the accepted signers, each in a few words.
func (p Policy) Accepted() []string {
	var out []string
	for _, k := range p.Keys {
		out = append(out, "key "+k.Fingerprint())
	}
	for _, id := range p.Identities {
		text := "identity " + either(id.Subject, id.SubjectPattern) + " by " + either(id.Issuer, id.IssuerPattern)
		if id.Workflow != (signed.Workflow{}) {
			text += fmt.Sprintf(" (workflow %+v)", id.Workflow)
		}
		out = append(out, text)
	}
	if p.Notary != nil {
		out = append(out, p.Notary.names()...)
	}
	return out
}

func either(exact string, pattern fmt.Stringer) string {
	if exact != "" {
		return exact
	}
	return "/" + pattern.String() + "/"
}

// check holds the entity against the demands that are about log, time and authority.
func (v *Verifier) check(e *entity, key Key, r *signed.Result) error {
	if v.trust == nil && v.policy.NeedsTrust() {
		return faultf(signed.NoTrustedRoot, "%v", v.noTrust)
	}
	if err := v.checkLog(e, key, r); err != nil {
		return err
	}
	if err := v.checkStamps(e, r); err != nil {
		return err
	}
	if e.certificate == nil {
		return nil
	}
	if len(v.policy.Keys) > 0 {
		_, err := v.momentsOf(e.certificate, r.Signer, r.Times)
		return err
	}
	return v.checkCertificate(e, r.Signer, r.Times)
}

// checkLog proves the log entries. Where none is demanded, those that are there still
// tell times.
func (v *Verifier) checkLog(e *entity, key Key, r *signed.Result) error {
	var problems []error
	if e.beside != nil {
		problems = append(problems, e.beside)
	}
	if v.trust != nil {
		for _, entry := range e.entries {
			proved, err := v.checkEntry(e, entry, key)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			if proved.at != nil && proved.at.Time.After(v.policy.Now().Add(maxSkew)) {
				problems = append(problems, faultf(signed.FromTheFuture, "the log %s has the entry at %s", proved.Log, proved.at.Time.UTC().Format(time.RFC3339)))
				continue
			}
			r.Logs = append(r.Logs, proved.LogEntry)
			if proved.at != nil {
				r.Times = append(r.Times, *proved.at)
			}
		}
	}
	if len(r.Logs) > 0 || v.policy.IgnoreLog {
		warn(r, problems)
		return nil
	}
	if len(problems) > 0 {
		return problems[0]
	}
	return faultf(signed.NotInLog, "the signature of %s has no entry of a transparency log", r.Signer)
}

// checkStamps proves the signed timestamps.
func (v *Verifier) checkStamps(e *entity, r *signed.Result) error {
	if len(e.timestamps) == 0 {
		if v.policy.DemandTimestamp {
			return faultf(signed.NoTimestamp, "the signature of %s has no signed timestamp", r.Signer)
		}
		return nil
	}
	if v.trust == nil {
		return nil
	}
	times, problems := v.checkTimestamps(e)
	r.Times = append(r.Times, times...)
	if len(times) == 0 && (v.policy.DemandTimestamp || len(r.Times) == 0 && e.certificate != nil) {
		return problems[0]
	}
	warn(r, problems)
	return nil
}

// checkClaims compares what the payload says with what is asked.
func (v *Verifier) checkClaims(c claims, subject v1.Hash) error {
	var names []string
	for _, s := range c.subjects {
		if s.digests[subject.Algorithm] != subject.Hex {
			names = append(names, digestText(s.digests))
			continue
		}
		for name, want := range v.policy.Annotations {
			if have, ok := s.annotations[name].(string); !ok || have != want {
				return faultf(signed.OtherClaims, "the payload's annotation %q is %v, not %q", name, s.annotations[name], want)
			}
		}
		return nil
	}
	if len(names) > 3 {
		names = append(names[:3], fmt.Sprintf("%d more", len(names)-3))
	}
	return faultf(signed.OtherDigest, "what is signed is %s, not %s", strings.Join(names, ", "), subject)
}

func digestText(digests map[string]string) string {
	for _, algorithm := range []string{"sha256", "sha512", "sha1"} {
		if h, ok := digests[algorithm]; ok {
			return algorithm + ":" + h
		}
	}
	return "of another kind"
}

// warn keeps problems that do not stand against the item.
func warn(r *signed.Result, problems []error) {
	for _, p := range problems {
		r.Warnings = append(r.Warnings, p.Error())
	}
}
