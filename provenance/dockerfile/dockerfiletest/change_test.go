package dockerfiletest

import (
	"math/rand/v2"
	"testing"

	"github.com/imageverify/verify/provenance/dockerfile"
)

func TestOnlyRecordedLettersAreChanged(t *testing.T) {
	tests := []struct{ text, want string }{
		{"ENV AB=${X:-y}c$Z/d", "ABcd"},
		{"RUN --mount=type=tmpfs,target=/t a \\\n  # no\n  b $C", "abC"},
		{"COPY --chown=u src /dst", "dst"},
		{`ADD ["src", "/d t"]`, "t"},
		{"COPY src ./", ""},
		{"CMD [\"a\"]", "a"},
	}
	for _, test := range tests {
		text := "FROM x\n" + test.text + "\n"
		f, err := dockerfile.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		b, err := f.Evaluate(dockerfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, i := range recorded(text, b.Directives[0]) {
			got += text[i : i+1]
		}
		if got != test.want {
			t.Errorf("%q: %q, want %q", test.text, got, test.want)
		}
		changed, ok := ChangeLetter(rand.New(rand.NewPCG(1, 1)), text, b.Directives[0])
		if ok != (test.want != "") || ok == (changed == text) || len(changed) != len(text) {
			t.Errorf("%q became %q (%v)", text, changed, ok)
		}
	}
}
