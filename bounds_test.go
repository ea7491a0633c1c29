package verify

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// boundRow is a row of the table of bounds that names its constant.
var boundRow = regexp.MustCompile("(?m)^\\| (.+) \\| (.+) \\| `([a-z/]+)\\.([A-Za-z]+)` \\|$")

// TestEveryBoundOfTheSecurityPageIsAConstantWithATest holds the page to the
// constants' values, and each constant to being known to a test of its package.
func TestEveryBoundOfTheSecurityPageIsAConstantWithATest(t *testing.T) {
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := boundRow.FindAllStringSubmatch(string(page), -1)
	if len(rows) < 20 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		what, bound, dir, name := row[1], row[2], row[3], row[4]
		value, ok := constantOf(t, dir, name)
		if !ok {
			t.Errorf("%s: there is no constant %s in %s", what, name, dir)
			continue
		}
		if first, _, _ := strings.Cut(bound, " ("); amount(value, first) != first {
			t.Errorf("%s: the page says %s, %s is %s", what, first, name, value)
		}
		if !inTests(t, dir, name) {
			t.Errorf("%s: no test of %s knows %s", what, dir, name)
		}
	}
}

// amount writes a constant in the unit of the text that it is compared with.
func amount(value constant.Value, like string) string {
	n, _ := constant.Int64Val(value)
	for unit, size := range map[string]int64{"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10} {
		if strings.HasSuffix(like, " "+unit) && n%size == 0 {
			return fmt.Sprintf("%d %s", n/size, unit)
		}
	}
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if _, unit, ok := strings.Cut(like, " "); ok {
		return digits + " " + unit
	}
	return digits
}

// constantOf is the value of an integer constant of a package.
func constantOf(t *testing.T, dir, name string) (constant.Value, bool) {
	t.Helper()
	for _, file := range goFiles(t, dir, false) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			general, ok := d.(*ast.GenDecl)
			if !ok || general.Tok != token.CONST {
				continue
			}
			for _, spec := range general.Specs {
				v := spec.(*ast.ValueSpec)
				if v.Names[0].Name == name && len(v.Values) == 1 {
					return evaluate(v.Values[0])
				}
			}
		}
	}
	return nil, false
}

// evaluate computes literals, products and shifts.
func evaluate(e ast.Expr) (constant.Value, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return constant.MakeFromLiteral(e.Value, e.Kind, 0), true
	case *ast.BinaryExpr:
		x, okX := evaluate(e.X)
		y, okY := evaluate(e.Y)
		if !okX || !okY {
			return nil, false
		}
		if e.Op == token.SHL {
			n, _ := constant.Uint64Val(y)
			return constant.Shift(x, e.Op, uint(n)), true
		}
		return constant.BinaryOp(x, e.Op, y), true
	}
	return nil, false
}

func inTests(t *testing.T, dir, name string) bool {
	t.Helper()
	word := regexp.MustCompile(`\b` + name + `\b`)
	for _, file := range goFiles(t, dir, true) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if word.Match(text) {
			return true
		}
	}
	return false
}

func goFiles(t *testing.T, dir string, tests bool) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") == tests {
			out = append(out, f)
		}
	}
	return out
}
