package output

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"path"
	"slices"
	"strings"

	"github.com/imageverify/verify"
)

const (
	// maxHTML is how many differences a page shows, so that a phone can open
	// it; the rest is counted.
	maxHTML = 2000
	// maxTreeDepth is how deep folders are nested in a page; what lies deeper
	// stands there with the rest of its path.
	maxTreeDepth = 24
)

//go:embed reproduce.html
var reproducePage string

//go:embed reproduce.css
var reproduceStyle string

// pageTemplate is the page, parsed by whoever writes one: no other run waits for
// it. Values are escaped by html/template; safe shows what cannot be seen in them.
func pageTemplate() (*template.Template, error) {
	return template.New("page").Funcs(pageFuncs).Parse(reproducePage)
}

var pageFuncs = template.FuncMap{
	"safe": SafeText, "share": share, "tone": tone, "sign": func(m mark) string { return m.sign }, "word": func(m mark) string { return m.word }, "join": strings.Join, "moment": moment, "orNone": orNone, "layer": func(i *int) int { return *i + 1 },
}

// page is what the template shows.
type page struct {
	reproduction
	Style  template.CSS
	Policy string
	Tree   *folder
	More   int
}

// reproduceHTML writes one page that needs nothing else: no script, no other
// file, no connection. Its policy lets a browser load nothing but the page's own
// style.
func reproduceHTML(r *verify.ReproduceReport) ([]byte, error) {
	sum := sha256.Sum256([]byte(reproduceStyle))
	p := page{reproduction: reproductionOf(r), Style: template.CSS(reproduceStyle),
		Policy: fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'", base64.StdEncoding.EncodeToString(sum[:]))}
	list := r.Differences
	if len(list) > maxHTML {
		p.More, list = len(list)-maxHTML, list[:maxHTML]
	}
	p.More += r.Unlisted
	p.Tree = treeOf(list)
	t, err := pageTemplate()
	if err != nil {
		return nil, fmt.Errorf("write as HTML: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("write as HTML: %w", err)
	}
	return b.Bytes(), nil
}

// errorPage stands in the place of a page.
func errorPage(e *verify.RunError) []byte {
	const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'">`
	return []byte("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">" + policy + "<title>verify could not run</title></head>\n<body><p>verify could not run: " +
		template.HTMLEscapeString(SafeText(e.Message)) + "</p></body></html>\n")
}

// share is a part of a layer in percent, for the width of a bar.
func share(part, total int64) string {
	if total <= 0 {
		return "0"
	}
	return fmt.Sprintf("%.2f", float64(part)/float64(total)*100)
}

// tone is the class of a mark's colour.
func tone(m mark) string {
	switch m.color {
	case green:
		return "good"
	case red:
		return "bad"
	case yellow:
		return "open"
	}
	return "plain"
}

// folder is a node of the tree of differences.
type folder struct {
	Name    string
	Count   int
	Folders []*folder
	Leaves  []leaf
}

// leaf is a difference under its name in the folder.
type leaf struct {
	Name string
	verify.Discrepancy
}

// treeOf lays differences out by folder; those of documents lie in one of their
// own.
func treeOf(list []verify.Discrepancy) *folder {
	root := &folder{}
	for _, d := range list {
		parts := strings.Split(d.Path, "/")
		if d.Class == "config" || d.Class == "annotation" {
			parts = []string{"(" + d.Class + ")", d.Path}
		}
		if len(parts) > maxTreeDepth {
			parts = append(slices.Clone(parts[:maxTreeDepth-1]), strings.Join(parts[maxTreeDepth-1:], "/"))
		}
		at := root
		at.Count++
		for _, name := range parts[:len(parts)-1] {
			at = at.folder(name)
			at.Count++
		}
		at.Leaves = append(at.Leaves, leaf{parts[len(parts)-1], d})
	}
	root.join()
	return root
}

func (f *folder) folder(name string) *folder {
	// Differences come in walk order: a folder is the last one, or a new one.
	for i := len(f.Folders) - 1; i >= 0; i-- {
		if f.Folders[i].Name == name {
			return f.Folders[i]
		}
	}
	f.Folders = append(f.Folders, &folder{Name: name})
	return f.Folders[len(f.Folders)-1]
}

// join puts folders that hold nothing but one folder into one line.
func (f *folder) join() {
	for i, sub := range f.Folders {
		for len(sub.Leaves) == 0 && len(sub.Folders) == 1 {
			only := sub.Folders[0]
			only.Name = path.Join(sub.Name, only.Name)
			sub = only
		}
		f.Folders[i] = sub
		sub.join()
	}
}
