package image

import (
	"context"
	"fmt"
	"os"
)

// OpenFile opens the one image of an archive that is at hand as an open file:
// kind is KindArchive or KindDockerArchive, name what errors call it. The file
// is the set's, and is closed where there is an error.
func OpenFile(ctx context.Context, file *os.File, kind, name string, o Options) (*Set, error) {
	ref := localReference{kind: kind, path: name}
	switch kind {
	case KindArchive:
		src, root, err := readArchive(ctx, name, ref, file)
		if err != nil {
			return nil, err
		}
		return openRoot(ctx, name, ref, src, root, o)
	case KindDockerArchive:
		return readDockerArchive(ctx, name, ref, file, o)
	}
	return nil, fmt.Errorf("%s: %q is no form of an archive", name, kind)
}
