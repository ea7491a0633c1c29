package dockerfile

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// value is an instruction's meaning, expanded; each instruction uses the
// fields that it needs.
type value struct {
	pairs  []pair   // ENV, LABEL, ARG
	words  []string // RUN, CMD, ENTRYPOINT, SHELL, VOLUME, EXPOSE as written
	text   string   // WORKDIR, USER, STOPSIGNAL, MAINTAINER, ONBUILD
	ports  []string // EXPOSE: "80/tcp", as BuildKit orders them
	health health
	copy   *copied
	inline bool // RUN has a here-document, which the classic builder cannot read
	run    *Run

	original string   // the whole instruction as written, continuation lines joined
	docs     []string // RUN: the here-documents' contents
	mounts   int      // RUN: how many mounts it has
}

type pair struct {
	key, value string
	bare       bool // ARG without a value
	// written is an ARG as it stands in the file, without the value that comes
	// from the command or from an ARG before FROM.
	written string
}

func (p pair) String() string {
	if p.bare {
		return p.key
	}
	return p.key + "=" + p.value
}

// instruction says what an instruction does and what the builders write.
type instruction struct {
	layer  LayerRule
	expand func(*state, instructions.Command) (*value, error)
	// classic and buildkit give the texts; nil: the dialect leaves no entry.
	classic, buildkit func(*state, *value) []string
	// buildah gives the texts; nil: the instruction as it is written.
	buildah func(*state, *value) []string
}

// table has a row for each instruction that may follow a FROM.
var table = map[string]instruction{
	"ADD":         {OwnLayer, expandAdd, content("ADD"), copyTexts("ADD"), buildahCopy("ADD")},
	"ARG":         {NoLayer, expandArg, metadata(argText), argTexts, buildahArg},
	"CMD":         {NoLayer, expandCmd, metadata(quoted("CMD"), listed("CMD")), plain(quoted("CMD")), nil},
	"COPY":        {OwnLayer, expandCopy, content("COPY"), copyTexts("COPY"), buildahCopy("COPY")},
	"ENTRYPOINT":  {NoLayer, expandEntrypoint, metadata(quoted("ENTRYPOINT"), pointer("ENTRYPOINT"), listed("ENTRYPOINT")), plain(quoted("ENTRYPOINT")), nil},
	"ENV":         {NoLayer, expandEnv, metadata(pairsText("ENV"), oldPair("ENV")), plain(pairsText("ENV")), nil},
	"EXPOSE":      {NoLayer, expandExpose, metadata(wordsText("EXPOSE"), portsText, portsMap), plain(portsList, portsMap), nil},
	"HEALTHCHECK": {NoLayer, expandHealth, metadata(healthQuoted, healthShort, healthLong), plain(healthFields, healthQuoted, healthLong), nil},
	"LABEL":       {NoLayer, expandLabel, metadata(pairsText("LABEL")), plain(pairsText("LABEL")), nil},
	"MAINTAINER":  {NoLayer, expandMaintainer, metadata(single("MAINTAINER")), plain(single("MAINTAINER")), nil},
	"ONBUILD":     {NoLayer, expandOnbuild, metadata(single("ONBUILD")), nil, nil},
	"RUN":         {MaybeLayer, expandRun, runText, runTexts, buildahRun},
	"SHELL":       {NoLayer, expandShell, metadata(listed("SHELL")), plain(listed("SHELL")), nil},
	"STOPSIGNAL":  {NoLayer, expandStopSignal, metadata(single("STOPSIGNAL"), bracketed("STOPSIGNAL")), plain(single("STOPSIGNAL")), nil},
	"USER":        {NoLayer, expandUser, metadata(single("USER"), bracketed("USER")), plain(single("USER")), nil},
	"VOLUME":      {NoLayer, expandVolume, metadata(listed("VOLUME")), plain(listed("VOLUME")), nil},
	"WORKDIR":     {MaybeLayer, expandWorkdir, near(single("WORKDIR")), plain(single("WORKDIR")), nil},
}

// directive evaluates one command and moves the state past it.
func (s *state) directive(c instructions.Command) (Directive, error) {
	name := strings.ToUpper(c.Name())
	row, ok := table[name]
	if !ok {
		return Directive{}, fmt.Errorf("unknown instruction: %s", name)
	}
	d := Directive{
		Name: name, Line: firstLine(c.Location()), EndLine: lastLine(c.Location()),
		User: s.user, Layer: row.layer,
	}
	if text, ok := c.(fmt.Stringer); ok {
		d.Original = text.String()
	}
	v, err := row.expand(s, c)
	if err != nil {
		return Directive{}, err
	}
	v.original = d.Original
	if v.copy != nil {
		d.Copy = &v.copy.Copy
	}
	if name == "WORKDIR" {
		d.WorkingDir = v.text
	}
	d.Run = v.run
	if name == "ENV" || name == "ARG" {
		d.Sets = s.inForce(v.pairs)
	}
	d.Forms, err = s.forms(row, v)
	if s.triggered && s.dialect == Buildah {
		// Its OCI configs have no triggers, so that those of a base are lost
		// unless the base was kept in Docker's format.
		d.Forms = append(d.Forms, Form{Dialect: Buildah, NoEntry: true})
	}
	d.Trigger = s.triggered
	return d, err
}

// forms writes the directive's texts in the state's dialect.
func (s *state) forms(row instruction, v *value) ([]Form, error) {
	write := row.classic
	switch s.dialect {
	case BuildKit:
		write = row.buildkit
	case Buildah:
		if write = row.buildah; write == nil {
			write = buildahText
		}
	}
	if write == nil {
		return []Form{{Dialect: s.dialect, NoEntry: true}}, nil
	}
	var forms []Form
	for _, text := range write(s, v) {
		if s.texts += len(text); s.texts > maxForms {
			return nil, fmt.Errorf("the texts of the directives come to more than %d bytes", maxForms)
		}
		f := Form{Dialect: s.dialect, Text: encodable(text)}
		if !slices.Contains(forms, f) {
			forms = append(forms, f)
		}
	}
	return forms, nil
}

// encodable is the text as JSON gives it back: each byte that is not UTF-8
// becomes U+FFFD.
func encodable(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return string([]rune(text))
}

func expandEnv(s *state, c instructions.Command) (*value, error) {
	pairs, err := s.expandPairs(c.(*instructions.EnvCommand).Env)
	for _, p := range pairs {
		s.setEnv(p.key, p.value)
	}
	return &value{pairs: pairs}, err
}

func expandLabel(s *state, c instructions.Command) (*value, error) {
	pairs, err := s.expandPairs(c.(*instructions.LabelCommand).Labels)
	for _, p := range pairs {
		s.config.setLabel(p.key, p.value)
	}
	return &value{pairs: pairs}, err
}

func (s *state) expandPairs(in instructions.KeyValuePairs) ([]pair, error) {
	var out []pair
	for _, kv := range in {
		key, err := s.expand(kv.Key)
		if err != nil {
			return nil, err
		}
		text, err := s.expand(kv.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, pair{key: key, value: text})
	}
	return out, nil
}

func expandArg(s *state, c instructions.Command) (*value, error) {
	v := &value{}
	for _, a := range c.(*instructions.ArgCommand).Args {
		p, inForce, err := s.argument(a)
		if err != nil {
			return nil, err
		}
		s.declare(a.Key, inForce)
		v.pairs = append(v.pairs, p)
	}
	return v, nil
}

// argument is what the builder writes for one declaration, and the value in
// force after it.
func (s *state) argument(a instructions.KeyValuePairOptional) (pair, *string, error) {
	p := pair{key: a.Key, bare: a.Value == nil}
	if a.Value != nil {
		var err error
		if p.value, err = s.expand(*a.Value); err != nil {
			return p, nil, err
		}
	}
	p.written = p.String()
	if given, ok := s.options.BuildArgs[a.Key]; ok {
		if s.dialect == BuildKit {
			p.value, p.bare = given, false
		}
		return p, &given, nil
	}
	if a.Value != nil {
		return p, &p.value, nil
	}
	global, ok := s.globals[a.Key]
	if !ok && s.unknownArg(a.Key) {
		global, ok = s.holes.add(a.Key), true
	}
	if !ok {
		return p, nil, nil
	}
	if s.dialect == BuildKit {
		p.value, p.bare = global, false
	}
	return p, &global, nil
}

func expandCmd(s *state, c instructions.Command) (*value, error) {
	v := &value{words: s.commandLine(c.(*instructions.CmdCommand).ShellDependantCmdLine)}
	s.config.setCmd(v.words)
	return v, nil
}

func expandEntrypoint(s *state, c instructions.Command) (*value, error) {
	v := &value{words: s.commandLine(c.(*instructions.EntrypointCommand).ShellDependantCmdLine)}
	s.config.setEntrypoint(v.words)
	return v, nil
}

// commandLine is the command with the shell before it where it is not JSON.
func (s *state) commandLine(c instructions.ShellDependantCmdLine) []string {
	if !c.PrependShell {
		return c.CmdLine
	}
	return append(slices.Clone(s.shell), strings.Join(c.CmdLine, " "))
}

func expandRun(s *state, c instructions.Command) (*value, error) {
	run := c.(*instructions.RunCommand)
	line := run.ShellDependantCmdLine
	v := &value{inline: len(line.Files) > 0, mounts: len(instructions.GetMounts(run))}
	for _, f := range line.Files {
		v.docs = append(v.docs, f.Data)
	}
	if s.dialect == BuildKit {
		v.run = s.runOf(run)
	}
	if v.inline {
		line.CmdLine = heredocCommand(line)
	}
	v.words = s.commandLine(line)
	return v, nil
}

// heredocCommand is what BuildKit runs, and writes, for a RUN with here-documents.
func heredocCommand(line instructions.ShellDependantCmdLine) []string {
	first := line.Files[0]
	text := strings.Join(line.CmdLine, " ")
	if parser.MustParseHeredoc(text) == nil {
		// Several, or one with a command before it: the shell reads them.
		for _, f := range line.Files {
			text += "\n" + f.Data + f.Name
		}
		return []string{text}
	}
	data := first.Data
	if first.Chomp {
		data = parser.ChompHeredocContent(data)
	}
	if strings.HasPrefix(data, "#!") {
		return []string{path.Join("/dev/pipes", first.Name)}
	}
	return []string{data}
}

func expandShell(s *state, c instructions.Command) (*value, error) {
	s.shell = c.(*instructions.ShellCommand).Shell
	s.config.Shell = s.shell
	return &value{words: s.shell}, nil
}

func expandVolume(s *state, c instructions.Command) (*value, error) {
	v := &value{}
	for _, word := range c.(*instructions.VolumeCommand).Volumes {
		volume, err := s.expand(word)
		if err != nil {
			return nil, err
		}
		v.words = append(v.words, volume)
		s.config.addVolume(volume)
	}
	return v, nil
}

func expandUser(s *state, c instructions.Command) (*value, error) {
	user, err := s.expand(c.(*instructions.UserCommand).User)
	s.user, s.config.User = user, user
	return &value{text: user}, err
}

func expandWorkdir(s *state, c instructions.Command) (*value, error) {
	dir, err := s.expand(c.(*instructions.WorkdirCommand).Path)
	if err != nil {
		return nil, err
	}
	s.dir = s.absolute(dir)
	s.config.WorkingDir = s.dir
	return &value{text: s.dir}, nil
}

// absolute joins a path to the working directory in force. A path that begins
// with a hole is taken to be absolute.
func (s *state) absolute(p string) string {
	if strings.HasPrefix(p, "/") || strings.HasPrefix(p, mark) {
		return path.Clean(p)
	}
	dir := s.dir
	if dir == "" {
		dir = s.holes.add(WorkingDirHole)
	}
	return path.Join(dir, p)
}

func expandStopSignal(s *state, c instructions.Command) (*value, error) {
	signal, err := s.expand(c.(*instructions.StopSignalCommand).Signal)
	s.config.StopSignal = signal
	return &value{text: signal}, err
}

func expandMaintainer(s *state, c instructions.Command) (*value, error) {
	s.config.Author = c.(*instructions.MaintainerCommand).Maintainer
	return &value{text: s.config.Author}, nil
}

func expandOnbuild(s *state, c instructions.Command) (*value, error) {
	trigger := c.(*instructions.OnbuildCommand).Expression
	s.config.OnBuild = append(s.config.OnBuild, trigger)
	return &value{text: trigger}, nil
}
