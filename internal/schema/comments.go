package schema

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/imageverify/verify/internal/corpus"
)

// module is the path of this module.
const module = "github.com/imageverify/verify"

// comments are what a package's source says of its types.
type comments struct {
	types     map[string]string   // type → doc comment
	fields    map[string]string   // type.field → doc comment
	constants map[string][]string // type → values of its string constants
}

// commentsOf reads the package in which a type is declared, once.
func (g *generator) commentsOf(t reflect.Type) (*comments, error) {
	if c := g.comments[t.PkgPath()]; c != nil {
		return c, nil
	}
	root, err := corpus.ModuleRoot()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, filepath.FromSlash(strings.TrimPrefix(t.PkgPath(), module)))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	c := &comments{map[string]string{}, map[string]string{}, map[string][]string{}}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		c.take(file)
	}
	g.comments[t.PkgPath()] = c
	return c, nil
}

func (c *comments) take(file *ast.File) {
	for _, d := range file.Decls {
		general, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				c.takeType(s, general.Doc)
			case *ast.ValueSpec:
				c.takeConstant(s)
			}
		}
	}
}

func (c *comments) takeType(s *ast.TypeSpec, doc *ast.CommentGroup) {
	if s.Doc != nil {
		doc = s.Doc
	}
	c.types[s.Name.Name] = oneLine(doc)
	structure, ok := s.Type.(*ast.StructType)
	if !ok {
		return
	}
	group := "" // the comment above the latest commented field
	for _, f := range structure.Fields.List {
		own := oneLine(f.Doc) + oneLine(f.Comment)
		if own != "" {
			group = own
		}
		for _, name := range f.Names {
			text := own
			if text == "" && strings.Contains(group, name.Name) {
				text = group // it tells of several fields
			}
			c.fields[s.Name.Name+"."+name.Name] = text
		}
	}
}

func (c *comments) takeConstant(s *ast.ValueSpec) {
	name, ok := s.Type.(*ast.Ident)
	if !ok {
		return
	}
	for _, v := range s.Values {
		if literal, ok := v.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				c.constants[name.Name] = append(c.constants[name.Name], text)
			}
		}
	}
}

// oneLine is a comment's text without its line ends.
func oneLine(g *ast.CommentGroup) string {
	return strings.Join(strings.Fields(g.Text()), " ")
}
