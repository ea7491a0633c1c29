package verify

import (
	"slices"

	"github.com/imageverify/verify/checksums"
)

// lowerLayers looks paths up in the layers below another, topmost first. A
// path that a layer removes is not looked for any deeper.
func lowerLayers(below []layerFact) func(paths ...string) (map[string]checksums.Entry, error) {
	if len(below) == 0 {
		return nil
	}
	return func(paths ...string) (map[string]checksums.Entry, error) {
		found := map[string]checksums.Entry{}
		open := paths
		for _, f := range slices.Backward(below) {
			if len(open) == 0 {
				break
			}
			if f.layer == nil || f.layer.Index == nil {
				return nil, errNoLayer
			}
			var err error
			if open, err = f.layer.Index.FindOrRemoved(open, found); err != nil {
				return nil, err
			}
		}
		return found, nil
	}
}
