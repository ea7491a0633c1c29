package dockerfile

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func evaluate(t testing.TB, text string, o Options) *Build {
	t.Helper()
	f, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	b, err := f.Evaluate(o)
	if err != nil {
		t.Fatalf("Evaluate(%q): %v", text, err)
	}
	return b
}

// texts are the forms of the last directive in one dialect, for reading.
func texts(b *Build, dialect string) []string {
	var out []string
	for _, f := range b.Directives[len(b.Directives)-1].Forms {
		if f.Dialect == dialect && f.NoEntry {
			out = append(out, "(no entry)")
		} else if f.Dialect == dialect {
			out = append(out, strings.ReplaceAll(Readable(f.Text), "file:…", "HASH"))
		}
	}
	return out
}

func TestEachInstructionHasTheTextsThatTheBuildersWrite(t *testing.T) {
	tests := []struct {
		instruction string
		classic     []string // what follows "/bin/sh -c #(nop)", or all of it for RUN
		buildkit    []string
	}{
		{"ADD a.tar.gz /", []string{" ADD HASH in / ", " ADD HASH in /"}, []string{"ADD a.tar.gz / # buildkit"}},
		{"COPY f /x", []string{" COPY HASH in /x ", " COPY HASH in /x"}, []string{"COPY f /x # buildkit"}},
		{"COPY a b /two/", []string{" COPY HASH in /two/ ", " COPY HASH in /two/"}, []string{"COPY a b /two/ # buildkit"}},
		{`COPY ["a", "/with space/"]`, []string{" COPY HASH in /with space/ ", " COPY HASH in /with space/"}, []string{"COPY a /with space/ # buildkit"}},
		{"COPY --chown=u:g f /x", []string{" COPY --chown=u:gHASH in /x ", " COPY --chown=u:g HASH in /x "}, []string{"COPY --chown=u:g f /x # buildkit", "COPY f /x # buildkit"}},
		{"COPY --from=0 /f /x", []string{" COPY HASH in /x ", " COPY HASH in /x"}, []string{"COPY /f /x # buildkit"}},
		{"COPY --chmod=755 --link f .", nil, []string{"COPY --chmod=755 f . # buildkit", "COPY f . # buildkit"}},
		{"COPY --parents a/b /", nil, []string{"COPY --parents a/b / # buildkit", "COPY a/b / # buildkit"}},
		{"COPY <<EOF /x\nhi\nEOF", nil, []string{"COPY <<EOF /x # buildkit"}},
		{`CMD ["a", "b"]`, []string{`  CMD ["a" "b"]`, `  CMD [a b]`, ` CMD ["a" "b"]`, ` CMD [a b]`}, []string{`CMD ["a" "b"]`}},
		{"CMD a b", []string{`  CMD ["/bin/sh" "-c" "a b"]`, "  CMD [/bin/sh -c a b]", ` CMD ["/bin/sh" "-c" "a b"]`, " CMD [/bin/sh -c a b]"}, []string{`CMD ["/bin/sh" "-c" "a b"]`}},
		{`ENTRYPOINT ["e"]`, []string{`  ENTRYPOINT ["e"]`, `  ENTRYPOINT &{["e"]}`, "  ENTRYPOINT [e]", ` ENTRYPOINT ["e"]`, ` ENTRYPOINT &{["e"]}`, " ENTRYPOINT [e]"}, []string{`ENTRYPOINT ["e"]`}},
		{`ENV A=b C="d e"`, []string{"  ENV A=b C=d e", " ENV A=b C=d e"}, []string{"ENV A=b C=d e"}},
		{"ENV A old value", []string{"  ENV A=old value", "  ENV A old value", " ENV A=old value", " ENV A old value"}, []string{"ENV A=old value"}},
		{`LABEL a=1 "b c"=2`, []string{"  LABEL a=1 b c=2", " LABEL a=1 b c=2"}, []string{"LABEL a=1 b c=2"}},
		{"EXPOSE 80 443/tcp 53/UDP", []string{"  EXPOSE 443/tcp 53/UDP 80", "  EXPOSE 443/tcp 53/udp 80/tcp", "  EXPOSE map[443/tcp:{} 53/udp:{} 80/tcp:{}]",
			" EXPOSE 443/tcp 53/UDP 80", " EXPOSE 443/tcp 53/udp 80/tcp", " EXPOSE map[443/tcp:{} 53/udp:{} 80/tcp:{}]"},
			[]string{"EXPOSE [443/tcp 53/udp 80/tcp]", "EXPOSE map[443/tcp:{} 53/udp:{} 80/tcp:{}]"}},
		{"EXPOSE 7000-7001", []string{"  EXPOSE 7000-7001", "  EXPOSE 7000/tcp 7001/tcp", "  EXPOSE map[7000/tcp:{} 7001/tcp:{}]",
			" EXPOSE 7000-7001", " EXPOSE 7000/tcp 7001/tcp", " EXPOSE map[7000/tcp:{} 7001/tcp:{}]"},
			[]string{"EXPOSE [7000/tcp 7001/tcp]", "EXPOSE map[7000/tcp:{} 7001/tcp:{}]"}},
		{`VOLUME ["/a", "/b"]`, []string{"  VOLUME [/a /b]", " VOLUME [/a /b]"}, []string{"VOLUME [/a /b]"}},
		{"USER app", []string{"  USER app", "  USER [app]", " USER app", " USER [app]"}, []string{"USER app"}},
		{"STOPSIGNAL SIGTERM", []string{"  STOPSIGNAL SIGTERM", "  STOPSIGNAL [SIGTERM]", " STOPSIGNAL SIGTERM", " STOPSIGNAL [SIGTERM]"}, []string{"STOPSIGNAL SIGTERM"}},
		{"WORKDIR sub/", []string{" WORKDIR /sub", "  WORKDIR /sub"}, []string{"WORKDIR /sub"}},
		{"MAINTAINER A <a@b>", []string{"  MAINTAINER A <a@b>", " MAINTAINER A <a@b>"}, []string{"MAINTAINER A <a@b>"}},
		{"ONBUILD COPY . /app", []string{"  ONBUILD COPY . /app", " ONBUILD COPY . /app"}, []string{"(no entry)"}},
		{"ARG V=1", []string{"  ARG V=1", " ARG V=1"}, []string{"ARG V=1"}},
		{"ARG V", []string{"  ARG V", " ARG V"}, []string{"ARG V"}},
		{"HEALTHCHECK --interval=30s --retries=2 CMD x y", []string{
			`  HEALTHCHECK &{["CMD-SHELL" "x y"] "30s" "0s" "0s" '\x02'}`, `  HEALTHCHECK &{["CMD-SHELL" "x y"] "30s" "0s" '\x02'}`, `  HEALTHCHECK &{["CMD-SHELL" "x y"] "30s" "0s" "0s" "0s" '\x02'}`,
			` HEALTHCHECK &{["CMD-SHELL" "x y"] "30s" "0s" "0s" '\x02'}`, ` HEALTHCHECK &{["CMD-SHELL" "x y"] "30s" "0s" '\x02'}`, ` HEALTHCHECK &{["CMD-SHELL" "x y"] "30s" "0s" "0s" "0s" '\x02'}`},
			[]string{"HEALTHCHECK {Test:[CMD-SHELL x y] Interval:30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}",
				`HEALTHCHECK &{["CMD-SHELL" "x y"] "30s" "0s" "0s" '\x02'}`, `HEALTHCHECK &{["CMD-SHELL" "x y"] "30s" "0s" "0s" "0s" '\x02'}`}},
	}
	for _, test := range tests {
		b := evaluate(t, "FROM scratch\n"+test.instruction+"\n", Options{})
		var classic []string
		for _, text := range test.classic {
			classic = append(classic, "/bin/sh -c #(nop)"+text)
		}
		if got := texts(b, Classic); !reflect.DeepEqual(got, classic) {
			t.Errorf("%s, classic:\n got %q\nwant %q", test.instruction, got, classic)
		}
		if got := texts(b, BuildKit); !reflect.DeepEqual(got, test.buildkit) {
			t.Errorf("%s, buildkit:\n got %q\nwant %q", test.instruction, got, test.buildkit)
		}
	}
}

func TestTheFirstFormOfARunIs(t *testing.T) {
	tests := []struct{ name, text, classic, buildkit string }{
		{"the command behind the shell", "RUN a  b", "/bin/sh -c a  b", "RUN /bin/sh -c a  b # buildkit"},
		{"the words of a JSON list without a shell", `RUN ["a", "b c"]`, "a b c", "RUN a b c # buildkit"},
		{"behind the shell that SHELL sets", "SHELL [\"/bin/bash\", \"-c\"]\nRUN a", "/bin/bash -c a", "RUN /bin/bash -c a # buildkit"},
		{"joined lines, their indentation kept, comments dropped", "RUN a \\\n  # why\n\t&& b \\\n\n  && c", "/bin/sh -c a \t&& b   && c", "RUN /bin/sh -c a \t&& b   && c # buildkit"},
		{"with a backquote for continuation where the file says so", "RUN a \\b", `/bin/sh -c a \b`, `RUN /bin/sh -c a \b # buildkit`},
		{"behind its arguments, sorted by the classic builder, in order by BuildKit", "ARG Z=1\nARG A=2\nARG N\nRUN x", "|2 A=2 Z=1 /bin/sh -c x", "RUN |3 Z=1 A=2 N= /bin/sh -c x # buildkit"},
		{"without arguments that ENV hides from the classic builder", "ARG A=1\nENV A=2\nRUN x", "/bin/sh -c x", "RUN |1 A=2 /bin/sh -c x # buildkit"},
		{"a here-document's text", "RUN <<EOF\necho hi\nEOF", "", "RUN /bin/sh -c echo hi\n # buildkit"},
		{"the script that a here-document is", "RUN <<S\n#!/bin/sh\nS", "", "RUN /bin/sh -c /dev/pipes/S # buildkit"},
		{"a command with its here-documents", "RUN cat <<A <<B\n1\nA\n2\nB", "", "RUN /bin/sh -c cat <<A <<B\n1\nA\n2\nB # buildkit"},
	}
	for _, test := range tests {
		head := "FROM scratch\n"
		if strings.Contains(test.name, "backquote") {
			head = "# escape=`\n" + head
		}
		b := evaluate(t, head+test.text+"\n", Options{})
		classic, buildkit := append(texts(b, Classic), "")[0], append(texts(b, BuildKit), "")[0]
		if classic != test.classic || buildkit != test.buildkit {
			t.Errorf("%s:\n got %q, %q\nwant %q, %q", test.name, classic, buildkit, test.classic, test.buildkit)
		}
	}
}

func TestVariablesAreExpandedAsTheBuildersDo(t *testing.T) {
	tests := []struct{ name, text, classic, buildkit string }{
		{"PATH of scratch is the builders' default", "ENV P=$PATH:/x", "ENV P=" + DefaultPath + ":/x", "ENV P=" + DefaultPath + ":/x"},
		{"a variable set nowhere is empty", "ENV A=<$NONE>", "ENV A=<>", "ENV A=<>"},
		{"pairs of one ENV see the values before it", "ENV A=1\nENV A=2 B=$A", "ENV A=2 B=1", "ENV A=2 B=1"},
		{"single quotes and escapes keep the dollar", `ENV A=1` + "\n" + `ENV B='$A' C=\$A D="$A"`, "ENV B=$A C=$A D=1", "ENV B=$A C=$A D=1"},
		{"modifiers", "ENV A=1\nENV B=${A:+x}${N:-y}${A#1}", "ENV B=xy", "ENV B=xy"},
		{"a later ARG wins in BuildKit, ENV in the classic builder", "ENV A=e\nARG A=a\nENV B=$A", "ENV B=e", "ENV B=a"},
		{"CMD is not expanded", "ENV A=1\nCMD [\"$A\"]", `CMD ["$A"]`, `CMD ["$A"]`},
		{"WORKDIR joins", "ENV D=b\nWORKDIR /a\nWORKDIR $D/../c", "WORKDIR /a/c", "WORKDIR /a/c"},
		{"an argument declared twice keeps its value", "ARG A=1\nARG A\nENV B=$A", "ENV B=1", "ENV B=1"},
	}
	for _, test := range tests {
		b := evaluate(t, "FROM scratch\n"+test.text+"\n", Options{})
		classic := strings.TrimLeft(strings.TrimPrefix(texts(b, Classic)[0], "/bin/sh -c #(nop)"), " ")
		if buildkit := texts(b, BuildKit)[0]; classic != test.classic || buildkit != test.buildkit {
			t.Errorf("%s: got %q, %q; want %q, %q", test.name, classic, buildkit, test.classic, test.buildkit)
		}
		if len(b.Holes) != 0 {
			t.Errorf("%s: holes %q, want none on scratch", test.name, b.Holes)
		}
	}
}

func TestWhatOnlyTheBaseKnowsIsAHole(t *testing.T) {
	tests := []struct {
		name, text, want string
		holes            []string
	}{
		{"a variable", "ENV P=/x:$PATH", "ENV P=/x:$PATH", []string{"PATH"}},
		{"an expression over one", "ENV A=${L:+$L:}x", "ENV A=${L:+$L:}x", []string{"L:+$L:"}},
		{"an expression within a known one", "ENV K=\nENV A=${K:-${L:-x}}", "ENV A=${L:-x}", []string{"L:-x"}},
		{"a variable that holds a hole", "ENV A=$X\nENV B=$A", "ENV B=$X", []string{"X"}},
		{"but not a declared argument", "ARG A\nENV B=x$A", "ENV B=x", nil},
		{"nor one in single quotes", "ENV B='${X:-y}'", "ENV B=${X:-y}", nil},
		{"nor an escaped one", `ENV B=\${X:-y}`, "ENV B=${X:-y}", nil},
		{"the directory that a relative WORKDIR is below", "WORKDIR sub", "WORKDIR …/sub", []string{WorkingDirHole}},
		{"a directory in a variable", "WORKDIR $HOME", "WORKDIR $HOME", []string{"HOME"}},
		{"where the build ran", "ARG BUILDARCH", "ARG BUILDARCH=$BUILDARCH", []string{"BUILDARCH"}},
	}
	for _, test := range tests {
		b := evaluate(t, "FROM debian\n"+test.text+"\n", Options{OS: "linux", Architecture: "amd64"})
		if got := texts(b, BuildKit)[0]; got != test.want || !slices.Equal(b.Holes, test.holes) {
			t.Errorf("%s: %q with holes %q, want %q with %q", test.name, got, b.Holes, test.want, test.holes)
		}
	}
}

func TestKnowingTheBaseFillsTheHoles(t *testing.T) {
	b := evaluate(t, "FROM debian\nENV P=$PATH L=${L:-none} M=$M\nWORKDIR sub\nCOPY a .\n", Options{})
	filled, err := b.WithBase(func(o *Options) {
		o.BaseEnv, o.BaseWorkingDir = map[string]string{"PATH": "/bin"}, "/srv"
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(filled.Holes) != 0 || filled.Directives[0].Forms[2].Text != "ENV P=/bin L=none M=" || filled.Directives[2].Copy.Dest != "/srv/sub" {
		t.Errorf("holes %q, %q, %q", filled.Holes, filled.Directives[0].Forms[2].Text, filled.Directives[2].Copy.Dest)
	}
	partly, err := b.WithBase(func(o *Options) { o.BaseEnv, o.BasePartial = map[string]string{"PATH": "/bin"}, true })
	if want := []string{"L:-none", "M", WorkingDirHole}; err != nil || !slices.Equal(partly.Holes, want) {
		t.Errorf("a partly known base leaves %q (%v), want %q", partly.Holes, err, want)
	}
}

func TestCopyFieldsSayWhatIsCopied(t *testing.T) {
	b := evaluate(t, `FROM scratch AS one
USER app
FROM scratch
ENV D=/d
WORKDIR /w
COPY --from=one --chown=$D:g --exclude=*.md /etc/ ./x $D/
ADD --checksum=sha256:aa https://e.org/f.tgz f
COPY . .
COPY <<A <<'B' /in/
$D
A
$D
B
`, Options{})
	want := []*Copy{
		nil, nil,
		{Sources: []string{"etc/", "./x"}, Dest: "/d", DestIsDir: true, From: "one", Chown: "/d:g", Exclude: []string{"*.md"}},
		{Add: true, Sources: []string{"https://e.org/f.tgz"}, Dest: "/w/f", Checksum: "sha256:aa"},
		{Sources: []string{"."}, Dest: "/w", DestIsDir: true},
		{Sources: []string{"A", "B"}, Inline: map[string]string{"A": "/d\n", "B": "$D\n"}, Dest: "/in", DestIsDir: true},
	}
	for i, d := range b.Directives {
		if !reflect.DeepEqual(d.Copy, want[i]) {
			t.Errorf("directive %d (%s): %+v, want %+v", i, d.Original, d.Copy, want[i])
		}
	}
	if b.Directives[1].WorkingDir != "/w" || b.Directives[1].User != "" {
		t.Errorf("WORKDIR is %q as %q", b.Directives[1].WorkingDir, b.Directives[1].User)
	}
}

func TestAStageThatIsFromAnotherHoldsItsDirectivesToo(t *testing.T) {
	text := `ARG IMAGE=debian
FROM $IMAGE:9 AS First
ARG V=1
ENV A=x
ONBUILD RUN y
FROM first AS second
RUN x
FROM busybox
`
	b := evaluate(t, text, Options{Target: "SECOND", BuildArgs: map[string]string{"IMAGE": "ubuntu"}})
	if b.Base != "ubuntu:9" || len(b.Directives) != 5 || b.Inherited != 3 || b.Directives[4].Line != 7 {
		t.Errorf("base %q, %d directives, %d inherited", b.Base, len(b.Directives), b.Inherited)
	}
	if d := b.Directives[3]; !d.Trigger || d.Line != 6 || d.Original != "RUN y" || b.Directives[4].Trigger {
		t.Errorf("the trigger is %+v", d)
	}
	// BuildKit's arguments reach the next stage, the classic builder's do not.
	if c, k := texts(b, Classic)[0], texts(b, BuildKit)[0]; c != "/bin/sh -c x" || k != "RUN |1 V=1 /bin/sh -c x # buildkit" {
		t.Errorf("RUN is %q and %q", c, k)
	}
	if len(b.Config.OnBuild) != 0 || !slices.Equal(b.Config.Env, []string{"A=x"}) {
		t.Errorf("config %+v", b.Config)
	}
	if last := evaluate(t, text, Options{}); last.Base != "busybox" || len(last.Directives) != 0 {
		t.Errorf("the last stage stands on %q with %d directives", last.Base, len(last.Directives))
	}
}

func TestArgumentsGivenAndPredefinedReachTheTexts(t *testing.T) {
	o := Options{OS: "linux", Architecture: "arm", Variant: "v7", BuildArgs: map[string]string{"V": "2"}}
	tests := []struct{ text, classic, buildkit string }{
		{"ARG V=1", "/bin/sh -c #(nop)  ARG V=1", "ARG V=2"},
		{"ARG V=1\nRUN x", "|1 V=2 /bin/sh -c x", "RUN |1 V=2 /bin/sh -c x # buildkit"},
		{"ARG TARGETPLATFORM", "/bin/sh -c #(nop)  ARG TARGETPLATFORM", "ARG TARGETPLATFORM=linux/arm/v7"},
		{"ARG TARGETARCH\nRUN x", "/bin/sh -c x", "RUN |1 TARGETARCH=arm /bin/sh -c x # buildkit"},
	}
	for _, test := range tests {
		b := evaluate(t, "FROM scratch\n"+test.text+"\n", o)
		if c, k := texts(b, Classic)[0], texts(b, BuildKit)[0]; c != test.classic || k != test.buildkit {
			t.Errorf("%q: %q and %q, want %q and %q", test.text, c, k, test.classic, test.buildkit)
		}
	}
}

func TestTheConfigurationStandsOverTheBases(t *testing.T) {
	b := evaluate(t, `FROM x
ENV B=2 A=3
LABEL l=new
EXPOSE 80
VOLUME /v
ENTRYPOINT ["e"]
WORKDIR /w
ONBUILD RUN y
HEALTHCHECK NONE
`, Options{})
	got := b.Config.Over(v1.Config{
		Env: []string{"A=1", "C=1"}, Cmd: []string{"old"}, User: "u", OnBuild: []string{"RUN z"},
		Labels: map[string]string{"l": "old", "k": "kept"}, Shell: []string{"s"},
	})
	want := v1.Config{
		Env: []string{"A=3", "C=1", "B=2"}, Entrypoint: []string{"e"}, User: "u", WorkingDir: "/w", OnBuild: []string{"RUN y"},
		Labels: map[string]string{"l": "new", "k": "kept"}, Shell: []string{"s"},
		ExposedPorts: map[string]struct{}{"80/tcp": {}}, Volumes: map[string]struct{}{"/v": {}},
		Healthcheck: &v1.HealthConfig{Test: []string{"NONE"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	kept := evaluate(t, "FROM x\nCMD [\"c\"]\nENTRYPOINT [\"e\"]\n", Options{}).Config
	if !kept.CmdSet || !slices.Equal(kept.Cmd, []string{"c"}) {
		t.Errorf("a CMD before ENTRYPOINT is %q, want it kept", kept.Cmd)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	tests := []struct {
		name, text, want string
		line             int
	}{
		{"an unknown instruction", "FROM scratch\nRUM x\n", "line 2: unknown instruction: RUM (did you mean RUN?)", 2},
		{"no FROM", "ARG A\n", "the Dockerfile has no FROM", 0},
		{"nothing", "", "file with no instructions", 0},
		{"a command before FROM", "RUN x\n", "line 1: no build stage in current context", 1},
		{"a NUL byte", "FROM scratch\nRUN \x00HASH\x00\n", "line 2: the Dockerfile holds a NUL byte", 2},
		{"an empty base", "FROM $X\n", `line 1: the base "$X" is empty`, 1},
		{"a bad substitution", "FROM scratch\n\nENV A=${\n", `line 3: failed to process "${": syntax error: missing '}'`, 3},
		{"a port that is none", "FROM scratch\nEXPOSE 65536\n", `line 2: EXPOSE "65536": not a port`, 2},
		{"a range that goes down", "FROM scratch\nEXPOSE 2-1\n", `line 2: EXPOSE "2-1": not a range of ports`, 2},
		{"a protocol that is none", "FROM scratch\nEXPOSE 1/x\n", `line 2: EXPOSE "1/x": unknown protocol`, 2},
		{"a variable that must be set", "FROM scratch\nENV A=${B:?no}\n", `line 2: failed to process "${B:?no}": B: no`, 2},
		{"a trigger of a trigger", "FROM scratch\nONBUILD ONBUILD RUN x\n", "line 2: ONBUILD ONBUILD is not allowed", 2},
	}
	for _, test := range tests {
		f, err := Parse([]byte(test.text))
		if err == nil {
			_, err = f.Evaluate(Options{})
		}
		var e *Error
		if !errors.As(err, &e) || e.Error() != test.want || e.Line != test.line {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	f, _ := Parse([]byte("FROM scratch\n"))
	if _, err := f.Evaluate(Options{Target: "x"}); err == nil || err.Error() != `the Dockerfile has no stage "x"` {
		t.Errorf("an unknown target: %v", err)
	}
	if _, err := f.Evaluate(Options{BuildArgs: map[string]string{"A": "\x00"}}); err == nil || err.Error() != `the value of "A" holds a NUL byte` {
		t.Errorf("a NUL in a build argument: %v", err)
	}
}

func TestEachLimitHoldsOnBothSides(t *testing.T) {
	directives := func(n int) string { return "FROM scratch\n" + strings.Repeat("USER a\n", n) }
	doubling := func(n int) string { return "FROM scratch\nENV A=xxxxxxxx\n" + strings.Repeat("ENV A=$A$A\n", n) }
	variables := func(n int) string {
		var b strings.Builder
		b.WriteString("FROM x\n")
		for i := range n {
			fmt.Fprintf(&b, "ENV A=$V%d\n", i)
		}
		return b.String()
	}
	ports := func(n int) string { return "FROM scratch\nEXPOSE " + strings.Repeat("0-65535 ", n) + "\n" }
	padded := func(n int) string { return "FROM scratch\n#" + strings.Repeat("\n", n-14) }
	nested := func(n int) string {
		return "FROM scratch\nENV A=" + strings.Repeat("${B:-", n) + strings.Repeat("}", n) + "\n"
	}
	tests := []struct{ name, good, bad, want string }{
		{"size", padded(MaxSize), padded(MaxSize + 1), "the Dockerfile is larger than 1048576 bytes"},
		{"directives", directives(MaxDirectives), directives(MaxDirectives + 1), "line 1: more than 10000 directives"},
		{"expansion", doubling(15), doubling(30), "line 22: a variable's expansion is too large"},
		{"holes", variables(maxHoles), variables(maxHoles + 1), "line 258: more than 256 variables that only the base image could set"},
		{"ports", ports(2), ports(3), "line 2: EXPOSE names more than 131072 ports"},
		{"nesting", nested(maxNesting), nested(maxNesting + 1), "line 2: a variable's expansion is too large: 1001 expressions in one word"},
	}
	for _, test := range tests {
		for i, text := range []string{test.good, test.bad} {
			f, err := Parse([]byte(text))
			if err == nil {
				_, err = f.Evaluate(Options{})
			}
			if i == 0 && err != nil {
				t.Errorf("%s within the limit: %v", test.name, err)
			}
			if i == 1 && (err == nil || err.Error() != test.want) {
				t.Errorf("%s beyond the limit: %v, want %q", test.name, err, test.want)
			}
		}
	}
}

func TestTheTextsOfABuildAreBounded(t *testing.T) {
	text := func(runs int) string {
		return "FROM scratch\nARG A=" + strings.Repeat("x", 60_000) + "\n" + strings.Repeat("RUN x\n", runs)
	}
	for runs, fits := range map[int]bool{100: true, 300: false} {
		f, err := Parse([]byte(text(runs)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.Evaluate(Options{}); (err == nil) != fits {
			t.Errorf("%d RUNs behind an argument of 60,000 bytes: %v", runs, err)
		}
	}
}

func TestALongErrorIsCut(t *testing.T) {
	_, err := Parse([]byte("FROM scratch\n" + strings.Repeat("é", 5000) + " x\n"))
	if err == nil || len(err.Error()) > maxMessage+20 || !strings.HasSuffix(err.Error(), "…") {
		t.Errorf("got %v", err)
	}
}
