package library

import "context"

// Every returns the different entries that an image's file had for an
// architecture, of whatever tag, newest first; no more than limit of them. An
// entry stands where the file had it last: LibraryCommit and Merged are those of
// the newest version of the file that has it, and InForce says that this is the
// file at the library's HEAD.
func (l *Library) Every(ctx context.Context, image, arch string, limit int) ([]Candidate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Candidate
	seen := map[string]bool{}
	for m, err := range l.moments(ctx, image, "") {
		if err != nil {
			return nil, err
		}
		newest := l.index.commits[l.index.images[image][0].commit].id
		for _, e := range m.entries {
			if e.Architecture != arch || seen[e.identity()] {
				continue
			}
			if len(out) == limit {
				return out, nil
			}
			seen[e.identity()] = true
			out = append(out, Candidate{Entry: e, LibraryCommit: m.commit, Merged: m.time, InForce: m.commit == newest, File: folder + "/" + image})
		}
	}
	return out, nil
}
