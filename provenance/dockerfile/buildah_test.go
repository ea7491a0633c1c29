package dockerfile

import (
	"slices"
	"strings"
	"testing"
)

func TestBuildahWritesInstructionsAsTheyStand(t *testing.T) {
	const nop = "/bin/sh -c #(nop) "
	tests := []struct {
		name, text string
		want       []string
	}{
		{"metadata as written", `ENV A="b c"  D=$A`, []string{nop + `ENV A="b c"  D=$A`}},
		{"in the letters it is written in", "env A=1", []string{nop + "env A=1"}},
		{"with its flags", "HEALTHCHECK --interval=3s CMD x", []string{nop + "HEALTHCHECK --interval=3s CMD x"}},
		{"a trigger", "ONBUILD COPY . /x", []string{nop + "ONBUILD COPY . /x"}},
		{"a relative directory as it stands", "WORKDIR sub", []string{nop + "WORKDIR sub"}},
		{"a copy with its hash, the destination not expanded", "ENV D=/d\nCOPY --chown=1:2 a b $D/", []string{nop + "COPY HASH in $D/ "}},
		{"a copy with --link in two versions", "COPY --link a /", []string{nop + "COPY HASH in / ", nop + "COPY --link HASH in / "}},
		{"a copy of a here-document", "COPY <<E /x\nhi\nE", []string{nop + "COPY HASH in /x "}},
		{"the arguments so far that have a value, or the instruction", "ARG Z=1\nARG N\nARG A=2", []string{nop + "ARG A Z", nop + "ARG A=2"}},
		{"a command behind the default shell, whatever SHELL says", "SHELL [\"bash\"]\nRUN a  \\\n  b", []string{"/bin/sh -c a    b"}},
		{"a command in JSON form as it stands", `RUN ["a", "b"]`, []string{`/bin/sh -c ["a", "b"]`}},
		{"a command behind its arguments, their words counted", "ARG B=x y\nARG Z=\"x y\"\nRUN c", []string{"|3 B=x Z=x y /bin/sh -c c"}},
		{"a command that ENV changes an argument of", "ARG A=1\nENV A=2\nRUN c", []string{"|1 A=1 /bin/sh -c c", "|1 A=2 /bin/sh -c c"}},
		{"a command with its mounts, and the digest of files", "RUN --mount=type=bind,target=/x c",
			[]string{"/bin/sh -c --mount=type=bind,target=/x c", "/bin/sh -c --mount=type=bind,target=/x c:sha256:…"}},
		{"a command with its here-document", "RUN <<E\n a\nb\nE", []string{"/bin/sh -c <<E\na\nb"}},
		{"an argument of an earlier stage is none of this one's", "ARG A=1\nFROM scratch\nRUN c", []string{"/bin/sh -c c"}},
	}
	for _, test := range tests {
		b := evaluate(t, "FROM scratch\n"+test.text+"\n", Options{})
		if got := texts(b, Buildah); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n got %q\nwant %q", test.name, got, test.want)
		}
	}
}

func TestTheBasesTriggersRunFirst(t *testing.T) {
	f, err := Parse([]byte("FROM x\n\nRUN own\n"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Evaluate(Options{BaseOnBuild: []string{"ENV A=1", "COPY $A /app/"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range b.Directives {
		got = append(got, d.Forms[0].Text)
		if d.Trigger != (d.Name != "RUN") || d.Trigger && d.Line != 1 {
			t.Errorf("%s: trigger %v at line %d", d.Original, d.Trigger, d.Line)
		}
	}
	want := []string{"/bin/sh -c #(nop)  ENV A=1", "/bin/sh -c #(nop) COPY " + Hash + " in /app/ ", "/bin/sh -c own"}
	if !slices.Equal(got, want) || b.Directives[1].Copy.Sources[0] != "1" {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestATriggerThatIsNoInstructionIsRefused(t *testing.T) {
	f, err := Parse([]byte("# base\nFROM x\n"))
	if err != nil {
		t.Fatal(err)
	}
	for trigger, want := range map[string]string{
		"ONBUILD RUN x": "ONBUILD ONBUILD is not allowed",
		"FROM y":        "not a command type",
		"RUN a\nRUN b":  "not one instruction",
		"RUM x":         "unknown instruction: RUM",
		"RUN \x00HASH":  "NUL byte",
	} {
		_, err := f.Evaluate(Options{BaseOnBuild: []string{trigger}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "line 2: ") && !strings.Contains(want, "NUL") {
			t.Errorf("%q: %v, want line 2 and %q", trigger, err, want)
		}
	}
	if b := evaluate(t, "FROM scratch\nRUN x\n", Options{BaseOnBuild: []string{"RUN y"}}); len(b.Directives) != 1 {
		t.Errorf("on scratch there are %d directives, want 1: it has no triggers", len(b.Directives))
	}
}
