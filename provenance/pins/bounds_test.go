package pins

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imageverify/verify/provenance/dockerfile"
)

func TestAScriptIsReadUpToItsBounds(t *testing.T) {
	const install = "apt-get install -y x #"
	filled := func(n int, with string) string {
		rest := strings.Repeat(with, n-len(install))
		return "FROM scratch\nRUN " + install + rest[:1000] + "\\\n" + rest[1000:] + "\nUSER app\n"
	}
	bracketed := func(n int) string {
		return "FROM scratch\nRUN " + install + strings.Repeat("{", n) + "\nUSER app\n"
	}
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"the longest script":    {filled(maxScript, "x"), []string{"pin.packages 2"}},
		"a longer one":          {filled(maxScript+1, "x"), []string{"pin.shell 2"}},
		"the most brackets":     {bracketed(maxBrackets), []string{"pin.packages 2"}},
		"one more than that":    {bracketed(maxBrackets + 1), []string{"pin.shell 2"}},
		"nesting in a function": {"FROM scratch\nRUN f() { f; f; }; f\nUSER app\n", nil},
	} {
		if got := found(inspect(t, tt.text)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// Each of these made a parser or a follower of scripts slow, or ran it out of
// stack.
func TestHostileScriptsAreDoneWithSoon(t *testing.T) {
	for name, script := range map[string]string{
		"brackets":       strings.Repeat("(", maxBrackets),
		"arithmetic":     strings.Repeat("((", maxBrackets/2),
		"old arithmetic": strings.Repeat("$[", maxBrackets),
		"substitutions":  strings.Repeat("$(", maxBrackets) + "curl x" + strings.Repeat(")", maxBrackets),
		"ifs":            strings.Repeat("if ", 20_000),
		"doubling":       "a=xx; " + strings.Repeat("a=$a$a; ", 1000) + "apt-get install $a",
		"calls":          "f() { g; g; }; g() { h; h; }; h() { f; f; }; f",
		"loops":          "for a in 1 2; do " + strings.Repeat("for b in $a $a; do ", 100) + "curl https://h.test/$b" + strings.Repeat("; done", 101),
		"branches":       strings.Repeat("if a; then x=1; else x=2; fi; ", 2000),
		"pipes":          strings.Repeat("curl https://h.test/x | ", 2000) + "sh",
	} {
		start := time.Now()
		inspect(t, "FROM scratch\nRUN "+script+"\n")
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s took %s", name, d)
		}
	}
}

// The law: whatever the Dockerfile, every fact is of a known rule and stands on
// a line of the file, and the same text gives the same facts.
func FuzzInspect(f *testing.F) {
	f.Add(videoTool)
	f.Add("FROM a AS b\nRUN <<EOF\ncurl x | sh\nEOF\nFROM scratch\nCOPY --from=b / /\nADD http://x/y /\n")
	f.Add("FROM scratch\nRUN f() { local a=$1; shift; wget -O $a \"$@\"; }; f x http://h/x; echo \"${s:-0} x\" | sha256sum -c || exit\n")
	f.Add("FROM scratch\nRUN case $(gpg --verify a b) in x) a=1;; esac; for k in $K; do gpg --recv-keys $k; done\n")
	f.Add("# escape=`\nFROM scratch\nRUN [\"sh\", \"-c\", \"git clone x\"]\nUSER 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := dockerfile.Parse([]byte(text))
		if err != nil {
			return
		}
		b, err := file.Evaluate(dockerfile.Options{})
		if err != nil {
			return
		}
		r := Inspect(b, nil)
		lines := 1 + strings.Count(text, "\n")
		for _, fact := range r.Facts {
			known := slices.ContainsFunc(Rules(), func(rule Rule) bool { return rule.ID == fact.Rule })
			if !known || fact.Line < 1 || fact.Line > lines || fact.What == "" || fact.Fix == "" {
				t.Fatalf("%+v in a file of %d lines", fact, lines)
			}
		}
		if again := Inspect(b, nil); !slices.Equal(again.Facts, r.Facts) {
			t.Fatalf("first %v, then %v", r.Facts, again.Facts)
		}
	})
}
