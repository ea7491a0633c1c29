package verify

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite generated files")

func TestChecksPageIsGeneratedFromTheTable(t *testing.T) {
	const page = "docs/checks.md"
	want := checksPage()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is not what the table gives; run: make docs", page)
	}
}

func checksPage() string {
	var b strings.Builder
	b.WriteString("# Checks\n\nGenerated from the table in `checks.go` by `make docs`.\n\n")
	b.WriteString("A check that was not asked for, or that does not apply to the image, is absent from the report. ")
	b.WriteString("Where a check has parts (layers, history entries, claims) its finding is the worst of them: fail, unknown, warn, pass.\n\n")
	b.WriteString("| id | passes when | required | fails with | warns or is unknown with |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range checkTable {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c.id, c.passes, requiredText(c), codes(c.fails), codes(c.others))
	}
	b.WriteString("\n## What a Dockerfile leaves open\n\nThe checks `pin.*` never say more than `warn`, name the line, and are absent where the Dockerfile is not known or holds nothing that they speak of.\n\n| id | what to write instead |\n| --- | --- |\n")
	for _, c := range checkTable {
		if c.fix != "" {
			fmt.Fprintf(&b, "| `%s` | %s |\n", c.id, c.fix)
		}
	}
	b.WriteString("\n## Reasons\n\nEvery finding that is not `pass` carries one. The codes are stable.\n\n| reason | meaning |\n| --- | --- |\n")
	for _, code := range slices.Sorted(maps.Keys(reasonTexts)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", code, reasonTexts[code])
	}
	return b.String()
}

func codes(reasons []string) string {
	if len(reasons) == 0 {
		return "–"
	}
	return "`" + strings.Join(reasons, "`, `") + "`"
}

func requiredText(c check) string {
	switch c.id {
	case "trace.reachable":
		return "when the image or a flag names the commit"
	case "rootfs.checksum":
		return "where a known distributor publishes a list"
	}
	if c.required(&facts{}) {
		return "yes"
	}
	return "no"
}

func TestEveryReasonOfTheTableIsExplainedAndEveryExplanationUsed(t *testing.T) {
	used := map[string]bool{}
	for _, c := range checkTable {
		for _, r := range slices.Concat(c.fails, c.others) {
			used[r] = true
			if reasonTexts[r] == "" {
				t.Errorf("%s may give %q, which reasonTexts does not explain", c.id, r)
			}
		}
	}
	for r := range reasonTexts {
		if !used[r] {
			t.Errorf("reasonTexts explains %q, which no check gives", r)
		}
	}
	for _, r := range errorReasons {
		if !used[r.reason] {
			t.Errorf("errors are given the reason %q, which no check lists", r.reason)
		}
	}
}

func TestCheckIDsAreUniqueAndOfTheFormAreaDotName(t *testing.T) {
	ids := CheckIDs()
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	if len(slices.Compact(sorted)) != len(ids) {
		t.Errorf("an id stands twice in %v", ids)
	}
	for _, id := range ids {
		if area, name, ok := strings.Cut(id, "."); !ok || area == "" || name == "" {
			t.Errorf("id %q is not area.name", id)
		}
	}
}
