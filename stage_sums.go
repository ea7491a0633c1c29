package verify

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/imageverify/verify/checksums/sums"
	"github.com/imageverify/verify/provenance"
	"github.com/imageverify/verify/provenance/dockerfile"
	"github.com/imageverify/verify/provenance/source"
)

// maxList and maxSignature bound a checksum file and a detached signature, in
// bytes.
const (
	maxList      = 4 << 20
	maxSignature = 256 << 10
)

// errListAbsent is for a distributor's list that is not where it should be,
// errNoList for a distributor who puts none into the commit.
var (
	errListAbsent = errors.New("the checksum file is not there")
	errNoList     = fmt.Errorf("no list in the commit: %w", errListAbsent)
)

// checkSums compares every archive that the judged Dockerfile unpacks with its
// distributor's published list, and the list with its signature.
func (s *session) checkSums(ctx context.Context, f *facts, n need) {
	a := f.judged()
	if n&needSums == 0 || a == nil || a.Build == nil {
		return
	}
	d, ok := sums.Find(a.Repository)
	if !ok {
		return
	}
	defer s.timeStage("sums")()
	for _, name := range archives(a) {
		list, inCommit := d.ListOf(name)
		if _, published := d.PublishedOf(name); !inCommit && !published {
			continue
		}
		fact := sumFact{distributor: d, name: name, listErr: errNoList}
		if inCommit {
			fact = s.checkSum(ctx, a, d, list, name)
		}
		if list.Signature != "" {
			fact.signed = true
			fact.signature, fact.signatureErr = s.checkSignature(ctx, a, fact)
		}
		s.askDistributor(ctx, a, &fact)
		f.sums = append(f.sums, fact)
	}
}

// checkSum looks an archive up in its list, and compares the two. A list that
// speaks of it speaks whether or not the archive can be had.
func (s *session) checkSum(ctx context.Context, a *provenance.Attempt, d sums.Distributor, list sums.List, name string) sumFact {
	fact := sumFact{distributor: d, list: list, name: name}
	text, err := readFile(a, list.Path(a.Directory, name), maxList, errListAbsent)
	if err != nil {
		fact.listErr = err
		return fact
	}
	listed := false
	fact.line, listed, fact.listErr = sums.Lookup(bytes.NewReader(text), list.Name(a.Directory, name))
	if fact.listErr != nil || !listed {
		return fact
	}
	file, err := a.Tree.Open(name)
	if err != nil {
		fact.archiveErr = err
		s.takeObject(ctx, a, &fact)
		return fact
	}
	defer file.Close()
	fact.result, fact.archiveErr = sums.Compare(ctx, fact.line, file)
	return fact
}

// otherBlobError says that the file that a list speaks of is not the one that
// the commit names, though the commit's own cannot be had.
type otherBlobError struct{ object, got, want string }

func (e *otherBlobError) Error() string {
	return fmt.Sprintf("%s has that sum and is git blob %s, and the commit's is %s", e.object, e.got, e.want)
}

// takeObject compares, in the place of an archive that cannot be had, the file
// handed in that has the published sum. One that the commit names as a blob was
// looked for by the blob's id: a file of that sum is then another one.
func (s *session) takeObject(ctx context.Context, a *provenance.Attempt, fact *sumFact) {
	if !isAbsent(fact.archiveErr) {
		return
	}
	f, err := s.objects.listed(ctx, fact.line)
	if f == nil || err != nil {
		fact.archiveErr = cmp.Or(err, fact.archiveErr)
		return
	}
	blob, err := a.Tree.BlobID(fact.name)
	switch {
	case err == nil:
		fact.archiveErr = &otherBlobError{f.name, f.blob, blob}
	case isAbsent(err):
		fact.object = f.name
		fact.result, fact.archiveErr = sums.Compare(ctx, fact.line, f.read())
	}
}

func isAbsent(err error) bool {
	return errors.Is(err, source.ErrObjectAbsent) || errors.Is(err, fs.ErrNotExist)
}

// checkSignature verifies the list's detached signature with the distributor's
// pinned key.
func (s *session) checkSignature(ctx context.Context, a *provenance.Attempt, fact sumFact) (sums.SignatureResult, error) {
	signature, err := readFile(a, fact.list.SignaturePath(a.Directory, fact.name), maxSignature, sums.ErrNoSignature)
	if err != nil {
		return sums.SignatureResult{}, err
	}
	list, err := readFile(a, fact.list.Path(a.Directory, fact.name), maxList, errListAbsent)
	if err != nil {
		return sums.SignatureResult{}, err
	}
	return s.verifySignature(ctx, bytes.NewReader(list), signature, fact.distributor)
}

// readFile reads a small file of the commit whole; absent is what it means that
// the commit has none.
func readFile(a *provenance.Attempt, name string, limit int64, absent error) ([]byte, error) {
	f, err := a.Tree.Root().Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", name, absent)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &source.LimitError{What: "size of " + name, Limit: limit}
	}
	return data, err
}

// archives are the files of the context that the build unpacks, wildcards
// resolved.
func archives(a *provenance.Attempt) []string {
	var out []string
	for _, d := range a.Build.Directives {
		if d.Copy != nil && d.Copy.Add && d.Copy.From == "" {
			out = append(out, archivesOf(a.Context, d.Copy)...)
		}
	}
	return out
}

func archivesOf(context fs.FS, c *dockerfile.Copy) []string {
	var out []string
	for _, source := range c.Sources {
		out = append(out, matchFiles(context, source)...)
	}
	return out
}

// matchFiles are the archives that a source argument means; a name that is not
// there is kept, so that its absence shows.
func matchFiles(context fs.FS, source string) []string {
	if !isArchive(source) || strings.Contains(source, "://") {
		return nil
	}
	if context == nil {
		return []string{path.Clean(source)}
	}
	names, err := fs.Glob(context, path.Clean(source))
	if err != nil || len(names) == 0 {
		return []string{path.Clean(source)}
	}
	return names
}

func isArchive(name string) bool {
	for _, suffix := range []string{".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tar.zst"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}
