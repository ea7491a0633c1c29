package network

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	tests := map[string]struct{ url, want string }{
		"nothing to hide":       {"https://registry.example:5000/v2/x/blobs/sha256:ab", "https://registry.example:5000/v2/x/blobs/sha256:ab"},
		"user and password":     {"https://user:pass@host/x", "https://host/x"},
		"a user that is a key":  {"https://token@host/x", "https://host/x"},
		"what is asked for":     {"https://auth.example/token?service=s&scope=repository:x:pull", "https://auth.example/token?scope=repository%3Ax%3Apull&service=s"},
		"a list":                {"https://h/v2/x/tags/list?n=100&last=b", "https://h/v2/x/tags/list?last=b&n=100"},
		"a signed URL":          {"https://s3.example/b?X-Amz-Signature=abc&X-Amz-Credential=def", "https://s3.example/b?X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED"},
		"a value given twice":   {"https://h/?sig=a&sig=b", "https://h/?sig=REDACTED"},
		"a query without names": {"https://h/?secret", "https://h/?REDACTED="},
		"a malformed query":     {"https://h/?a=%zz&token=secret", "https://h/?REDACTED"},
		"a fragment":            {"https://h/#access_token=secret", "https://h/"},
		"no authority":          {"https:user:pass@host", "https:REDACTED"},
		"a line break":          {"https://h/a%0Ab", "https://h/a%0Ab"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(test.url)
			if err != nil {
				t.Fatal(err)
			}
			if got := Redact(u); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	if got := Redact(nil); got != "" {
		t.Errorf("nil: %q", got)
	}
}

func TestRedactErrorHidesWhatHTTPClientRepeats(t *testing.T) {
	tr := newTransport(t, Options{Offline: true})
	_, _, err := fetch(tr, "https://user:password@host/x?token=secret")
	clean := RedactError(err)
	if want := `Get "https://host/x?token=REDACTED": offline: host is not contacted`; clean.Error() != want || !errors.Is(clean, ErrOffline) {
		t.Errorf("got %v, want %s", clean, want)
	}
	plain := errors.New("plain")
	if RedactError(plain) != plain || RedactError(nil) != nil {
		t.Error("another error was changed")
	}
	odd := RedactError(&url.Error{Op: "Get", URL: "http://user:password@%zz", Err: plain})
	if odd.Error() != `Get "REDACTED": plain` {
		t.Errorf("an unreadable URL: %v", odd)
	}
}

// The law: nothing of a password, a fragment or a query value that is not
// known to be open stands in the redacted URL.
func FuzzRedact(f *testing.F) {
	const secret = "xXsEcReTXx"
	for _, seed := range []string{"https://u:SECRET@h/", "https://SECRET@h/p", "https://h/?a=SECRET", "https://h/?a=1&a=SECRET;b", "https://h/#SECRET", "https:u:SECRET@h", "//u:SECRET@h/?%zz=SECRET"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(strings.ReplaceAll(text, "SECRET", secret))
		if err != nil {
			return
		}
		for _, open := range []string{u.Host, u.Path, u.Scheme} {
			if strings.Contains(open, secret) {
				return
			}
		}
		for name, values := range u.Query() {
			if strings.Contains(name, secret) || isOpenParameter(name) && strings.Contains(strings.Join(values, " "), secret) {
				return
			}
		}
		if got := Redact(u); strings.Contains(got, secret) {
			t.Errorf("%s became %s", u, got)
		}
	})
}
