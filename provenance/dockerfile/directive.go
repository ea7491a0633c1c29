package dockerfile

// Directive is one instruction of the final stage, evaluated: variables
// expanded as far as they are known, flags taken apart.
type Directive struct {
	// Name is the instruction in capitals: ADD, COPY, RUN, …
	Name string
	// Line and EndLine are where it stands in the file, from 1.
	Line, EndLine int
	// Original is the instruction as the builders see it: continuation lines
	// joined, comments between them dropped.
	Original string
	// Forms are the texts that builders record for it in history's created_by,
	// the likeliest of each dialect first (see package history). A dialect
	// without a Form cannot build the directive.
	Forms []Form
	// Copy is set for ADD and COPY.
	Copy *Copy
	// WorkingDir is the absolute path that a WORKDIR names; "" otherwise. For
	// other directives see Stage evaluation: relative destinations are already
	// joined to the directory in force.
	WorkingDir string
	// Run is set for RUN.
	Run *Run
	// Sets are the variables that an ENV or ARG puts in force, in order.
	Sets []Variable
	// User is the USER in force where the directive stands ("" is root).
	User string
	// Layer says whether the directive leaves a layer.
	Layer LayerRule
	// Trigger says that it is an ONBUILD of the base, run in this build; Line
	// is then the line of the FROM.
	Trigger bool
}

// LayerRule says whether a directive leaves a layer.
type LayerRule int

const (
	NoLayer    LayerRule = iota // metadata only
	OwnLayer                    // always a layer
	MaybeLayer                  // a layer only with some builders or contents (WORKDIR, RUN)
)

// Copy is what ADD and COPY say beyond their text. Values may contain holes
// (see Hole) while the base image is not known.
type Copy struct {
	// Add is true for ADD, which unpacks local archives.
	Add bool
	// Sources are the source arguments, expanded, in order: paths relative to
	// the context (no leading "/"), wildcards kept, or URLs; then the names of
	// Inline.
	Sources []string
	// Inline holds here-documents by the name that stands in Sources.
	Inline map[string]string
	// Dest is the absolute, cleaned destination; DestIsDir tells whether it
	// was written with a trailing slash or as ".".
	Dest      string
	DestIsDir bool
	// From names a stage or an image (--from); "" is the context.
	From string
	// Chown and Chmod are the flags' values, expanded.
	Chown, Chmod string
	// Link is --link; Parents --parents; Exclude the --exclude patterns.
	Link, Parents bool
	Exclude       []string
	// Checksum is --checksum.
	Checksum string
	// Unpack is --unpack where it was given.
	Unpack *bool
}
