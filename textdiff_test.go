package verify

import (
	"strings"
	"testing"
)

func TestADiffShowsTheWordsThatDiffer(t *testing.T) {
	long := strings.Repeat("same text é ", 40)
	tests := []struct {
		name, want, got string
		diff            TextDiff
	}{
		{"a word in the middle", "ENV A=1 B=2 C=3", "ENV A=1 B=9 C=3", TextDiff{11, "ENV A=1 ", "B=2", "B=9", " C=3"}},
		{"the end", "RUN a", "RUN a && rm -rf /", TextDiff{6, "RUN ", "a", "a && rm -rf /", ""}},
		{"the beginning", "x RUN a", "RUN a", TextDiff{1, "", "x RUN", "RUN", " a"}},
		{"everything", "a", "b", TextDiff{1, "", "a", "b", ""}},
		{"against nothing", "", "b", TextDiff{1, "", "", "b", ""}},
		{"a repeated word", "a a a", "a a", TextDiff{4, "a ", "a a", "a", ""}},
		{"far into long texts", long + "x" + long, long + "y" + long, TextDiff{len(long) + 1, "…me text é same text é ", "xsame", "ysame", " text é same text é sa…"}},
	}
	for _, test := range tests {
		d := diffTexts(test.want, test.got)
		if *d != test.diff {
			t.Errorf("%s: %+v\nwant %+v", test.name, *d, test.diff)
		}
	}
	if d := diffTexts("a", "a"); d != nil {
		t.Errorf("equal texts differ: %+v", d)
	}
	if d := diffTexts(strings.Repeat("é", 500), "x"); len(d.Want) > maxDiff+len("…") || !strings.HasSuffix(d.Want, "é…") {
		t.Errorf("a long difference is shown as %q", d.Want)
	}
}

// FuzzDiff states: what a diff shows of the two texts is in them, and the texts
// are equal before the column.
func FuzzDiff(f *testing.F) {
	f.Add("ENV A=1 B=2", "ENV A=1 B=3")
	f.Add("a a a", "a a")
	f.Add("é", "è")
	f.Fuzz(func(t *testing.T, want, got string) {
		d := diffTexts(want, got)
		if d == nil {
			if want != got {
				t.Fatal("no diff of different texts")
			}
			return
		}
		n := d.Column - 1
		if want[:n] != got[:n] {
			t.Fatalf("the texts differ before column %d", d.Column)
		}
		for text, part := range map[string]string{want: d.Want, got: d.Got} {
			if !strings.Contains(text, strings.TrimSuffix(part, "…")) {
				t.Fatalf("%q is not in %q", part, text)
			}
		}
	})
}
