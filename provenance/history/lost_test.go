package history

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestAHistoryOfTheLastDirectiveAloneIsLostAndNoMatch(t *testing.T) {
	lost := v1.History{CreatedBy: `/bin/sh -c #(nop) CMD ["d"]`, Comment: "FROM dca35d9e254c"}
	for name, test := range map[string]struct {
		file   string
		layers int
		change func(*v1.History)
		want   bool
	}{
		"as buildah leaves it":           {squashFile, 1, func(*v1.History) {}, true},
		"on scratch":                     {"FROM scratch\nCOPY a /\nCMD [\"d\"]\n", 1, func(*v1.History) {}, true},
		"another directive":              {squashFile, 1, func(h *v1.History) { h.CreatedBy = `/bin/sh -c #(nop) CMD ["e"]` }, false},
		"not the last directive":         {squashFile + "USER x\n", 1, func(*v1.History) {}, false},
		"two layers":                     {squashFile, 2, func(*v1.History) {}, false},
		"no layer":                       {squashFile, 0, func(h *v1.History) { h.EmptyLayer = true }, false},
		"no mark of an image on the way": {squashFile, 1, func(h *v1.History) { h.Comment = "" }, false},
		"another base":                   {squashFile, 1, func(h *v1.History) { h.Comment = "FROM docker.io/library/debian" }, false},
		"another builder's":              {squashFile, 1, func(h *v1.History) { h.Comment = BuildKitComment }, false},
	} {
		h := lost
		test.change(&h)
		a := Match([]v1.History{h}, test.layers, build(t, test.file))
		if a.Matched || a.Lost() != test.want {
			t.Errorf("%s: matched %v, lost %v: %+v", name, a.Matched, a.Lost(), a.Problems)
		}
	}
}
