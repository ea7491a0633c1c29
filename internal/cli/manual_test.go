package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

var update = flag.Bool("update", false, "write the manual anew")

const manualDir = "../../docs/manual"

// TestTheManualIsWhatTheCommandsSayOfThemselves keeps one page a command.
func TestTheManualIsWhatTheCommandsSayOfThemselves(t *testing.T) {
	pages := map[string]string{}
	a := &app{env: Env{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Getenv: func(string) string { return "" }}}
	root := a.rootCommand()
	root.InitDefaultCompletionCmd()
	takePages(t, root, pages)
	if *update {
		if err := writePages(pages); err != nil {
			t.Fatal(err)
		}
	}
	found, err := filepath.Glob(filepath.Join(manualDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		if _, ok := pages[filepath.Base(name)]; !ok {
			t.Errorf("%s is the page of no command", name)
		}
	}
	for name, want := range pages {
		if have, err := os.ReadFile(filepath.Join(manualDir, name)); err != nil || string(have) != want {
			t.Errorf("docs/manual/%s is not what the command says of itself (%v); run: make docs", name, err)
		}
	}
}

func takePages(t *testing.T, cmd *cobra.Command, pages map[string]string) {
	t.Helper()
	cmd.DisableAutoGenTag = true // it holds the date
	var b bytes.Buffer
	if err := doc.GenMarkdown(cmd, &b); err != nil {
		t.Fatal(err)
	}
	pages[strings.ReplaceAll(cmd.CommandPath(), " ", "_")+".md"] = b.String()
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && !c.IsAdditionalHelpTopicCommand() {
			takePages(t, c, pages)
		}
	}
}

func writePages(pages map[string]string) error {
	if err := os.RemoveAll(manualDir); err != nil {
		return err
	}
	if err := os.MkdirAll(manualDir, 0o755); err != nil {
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(manualDir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func TestEveryFlagOfAClosedSetCompletesToItsValues(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"checks":         {[]string{"--only", ""}, []string{"image.digests", "layer.content"}},
		"skipped checks": {[]string{"--skip", "trace."}, []string{"trace.origin"}},
		"required":       {[]string{"--require", "rootfs"}, []string{"rootfs.checksum"}},
		"reasons":        {[]string{"--accept", "run"}, []string{"run-unproved"}},
		"formats":        {[]string{"-o", ""}, []string{"text", "json"}},
		"colours":        {[]string{"--color", ""}, []string{"auto", "always", "never"}},
		"commands":       {[]string{""}, []string{"completion", "explain", "cache"}},
		"shells":         {[]string{"completion", ""}, []string{"bash", "zsh", "fish", "powershell"}},
		"explained":      {[]string{"explain", "run-un"}, []string{"run-unproved"}},
	} {
		var out bytes.Buffer
		code := Main(append([]string{"__complete"}, c.args...), Env{Stdout: &out, Stderr: &bytes.Buffer{}, Getenv: func(string) string { return "" }})
		lines := strings.Split(out.String(), "\n")
		for i := range lines {
			lines[i], _, _ = strings.Cut(lines[i], "\t")
		}
		for _, want := range c.want {
			if code != exitVerified || !slices.Contains(lines, want) {
				t.Errorf("%s: no %s in %q (exit code %d)", name, want, lines, code)
			}
		}
	}
}
