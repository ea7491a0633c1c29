package network

import (
	"errors"
	"net/url"
	"strings"
)

const redacted = "REDACTED"

// Redact returns u for a message or a log: without user, password and fragment,
// and with the values of query parameters replaced, but for those that are
// known to hold no secret. Signed URLs of blob stores carry their permission in
// the query. It returns "" for nil.
func Redact(u *url.URL) string {
	if u == nil {
		return ""
	}
	clean := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.Opaque != "" {
		// Anything may stand there: https:user:password@host is opaque.
		clean.Opaque = redacted
	}
	clean.RawQuery = redactQuery(u.RawQuery)
	return clean.String()
}

func redactQuery(raw string) string {
	if raw == "" {
		return ""
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return redacted
	}
	clean := make(url.Values, len(values))
	for name, list := range values {
		switch {
		case isOpenParameter(name):
			clean[name] = list
		case strings.Join(list, "") == "":
			clean.Set(redacted, "") // ?TOKEN: a secret can stand where names do
		default:
			clean.Set(name, redacted)
		}
	}
	return clean.Encode()
}

// isOpenParameter knows the query parameters of the registry, token and git
// protocols that say what is asked for.
func isOpenParameter(name string) bool {
	switch name {
	case "artifactType", "digest", "last", "n", "scope", "service":
		return true
	}
	return false
}

func isBasic(authorization string) bool {
	scheme, _, _ := strings.Cut(authorization, " ")
	return strings.EqualFold(scheme, "Basic")
}

// RedactError returns err for a message: http.Client puts the whole URL into
// its errors, and here it is redacted as Redact does. Other errors are returned
// as they are; those of a Transport name hosts only.
func RedactError(err error) error {
	failed, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	clean := redacted
	if u, parseErr := url.Parse(failed.URL); parseErr == nil {
		clean = Redact(u)
	}
	return &url.Error{Op: failed.Op, URL: clean, Err: failed.Err}
}
