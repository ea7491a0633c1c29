package verify

// DiffReport is the result of comparing two images.
type DiffReport struct {
	// SchemaVersion is the version of this form.
	SchemaVersion int `json:"schemaVersion"`
	// Program is what wrote the report.
	Program Program `json:"verify"`
	// A and B are the two images.
	A DiffSide `json:"a"`
	B DiffSide `json:"b"`
	// Level is how near the two are, whatever is ignored.
	Level Level `json:"level"`
	// Judged is the level without what is ignored: what the exit code rests
	// on.
	Judged Level `json:"judged"`
	// Ignored are the classes and the noise that Judged passes over.
	Ignored []string `json:"ignored"`
	// Differences are those of the config and the manifest, then those of the
	// files in walk order; at most a fixed number of them.
	Differences []DiffEntry `json:"differences"`
	// Counts are all differences by class, listed or not.
	Counts map[string]int `json:"counts"`
	// Noise counts those that are known noise, by its name.
	Noise map[string]int `json:"noise"`
	// Files and Bytes count the regular files that are equal, and their
	// content.
	Files int   `json:"equalFiles"`
	Bytes int64 `json:"equalBytes"`
	// Unread counts the changed files that were not read again to show what
	// changed in them.
	Unread int `json:"unread"`
	// Timings say how long the run took.
	Timings Timings `json:"timings"`
}

// DiffSide is one of the images compared.
type DiffSide struct {
	// Reference is as given.
	Reference string `json:"reference"`
	// Digest is the manifest's; null where there is none.
	Digest *string `json:"digest"`
	// ImageID is the config's digest.
	ImageID string `json:"imageID"`
	// Platform is "os/architecture[/variant]"; null where it is not known.
	Platform *string `json:"platform"`
	// Layers are the diff IDs, lowest first.
	Layers []string `json:"layers"`
	// Cached says that some layer was not read in this run: its digest is
	// known from an earlier one.
	Cached bool `json:"cached,omitempty"`
}

// DiffEntry is one difference: one class of one path.
type DiffEntry struct {
	// Path is the file's, without a leading or trailing slash; the member of
	// the config, or the annotation's key, for those classes.
	Path string `json:"path"`
	// PathBytes is the path in base64 where it is not UTF-8, and Path lossy.
	PathBytes []byte `json:"pathBytes,omitempty"`
	// Class is content, type, mode, owner, time, xattr, link, only-in-a,
	// only-in-b, duplicate, order, format, config or annotation.
	Class string `json:"class"`
	// Layer is the layer that the path is from, from 0: in b, or in a where b
	// does not have it; absent for what is in no layer.
	Layer *int `json:"layer,omitempty"`
	// Noise names the known noise that the difference is.
	Noise string `json:"noise,omitempty"`
	// A and B are the two values; absent on a side that has none.
	A string `json:"a,omitempty"`
	B string `json:"b,omitempty"`
	// Change shows what differs in a file's content, a line each.
	Change []string `json:"change,omitempty"`
}
