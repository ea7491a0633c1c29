// Package verify traces container images to their source and judges what of
// that can be proved.
//
// [Verify] opens an image by reference, checks every digest, gathers the claims
// of origin, reads the Dockerfile they name at its commit, matches the image's
// history to its directives, compares the layers with what the source makes,
// and returns a [Report]: one [Finding] a check, and a [Verdict] that [Judge]
// alone pronounces.
package verify
