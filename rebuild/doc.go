// Package rebuild assembles the image that a Dockerfile's directives make, in
// process: its layers, its config and its manifest, byte for byte as the
// builders write them.
//
// The layers are package replay's. Config and manifest are those of the classic
// Docker builder (20.10), of BuildKit (v0.34, and the one inside Docker 20.10),
// and of the official library's pipeline, which writes BuildKit's manifest anew
// with annotations. What no source can give (a time, the id of a container, a
// parent's id) is taken from a published image where there is one, and listed
// as a Witness; names, modes, owners, sizes, links and contents never are.
package rebuild
