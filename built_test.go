package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/builders"
	"github.com/imageverify/verify/internal/corpus"
)

// builtEpoch is the SOURCE_DATE_EPOCH of the BuildKit builds.
const builtEpoch = 1460000000

// builtCase is a Dockerfile without RUN, after FROM scratch, built by the real
// builders; what makes layers is package replay's to test, what makes configs
// and manifests is tested here.
type builtCase struct {
	name, directives string
	only             string // a builder; "" for both
}

var builtCases = []builtCase{
	{"one file", "COPY a /", ""},
	{"a command as a list", "COPY a /\nCMD [\"/a\", \"-x\"]", ""},
	{"a command for the shell", "COPY a /\nCMD run $HOME \"q\"", ""},
	{"an empty command", "COPY a /\nCMD []", ""},
	{"entrypoint drops nothing of its own stage", "COPY a /\nCMD [\"b\"]\nENTRYPOINT [\"/a\"]", ""},
	{"entrypoint for the shell", "COPY a /\nENTRYPOINT run <in >out & wait", ""},
	{"environment", "ENV A=1 B=\"two words\"\nENV A=3\nENV PATH=/x:$PATH\nCOPY a /", ""},
	{"old environment", "ENV A one two\nCOPY a /", ""},
	{"labels", "LABEL z=1 a=2\nLABEL \"quoted key\"=\"<&>\"\nLABEL z=3\nCOPY a /", ""},
	{"ports", "EXPOSE 80 443/tcp 53/UDP 8000-8002\nEXPOSE 80\nCOPY a /", ""},
	{"volumes", "VOLUME /b /a\nVOLUME [\"/c\"]\nCOPY a /", ""},
	{"user", "USER 1000:1000\nCOPY a /", ""},
	{"working directory", "WORKDIR /w\nWORKDIR sub\nCOPY a .", ""},
	{"working directory root", "WORKDIR /\nCOPY a .", ""},
	{"stop signal", "STOPSIGNAL SIGQUIT\nCOPY a /", ""},
	{"health check", "HEALTHCHECK --interval=5m --timeout=3s --retries=3 CMD curl -f http://x/ || exit 1\nCOPY a /", ""},
	{"health check with start", "HEALTHCHECK --start-period=1s --start-interval=2s CMD [\"/a\"]\nCOPY a /", "buildkit"},
	{"no health check", "HEALTHCHECK NONE\nCOPY a /", ""},
	{"shell", "SHELL [\"/bin/ash\", \"-e\", \"-c\"]\nCMD run\nCOPY a /", ""},
	{"shell last", "COPY a /\nSHELL [\"/bin/ash\", \"-c\"]", ""},
	{"triggers", "ONBUILD COPY . /app\nONBUILD USER app\nCOPY a /", ""},
	{"maintainer", "MAINTAINER A <a@example.org>\nCOPY a /", ""},
	{"maintainer late", "COPY a /\nMAINTAINER A <a@example.org>\nCMD [\"/a\"]", ""},
	{"arguments", "ARG V=1\nARG W\nENV X=$V\nLABEL v=$V\nCOPY a /$V/", ""},
	{"a directory", "COPY dir /d/\nCMD [\"/d/b\"]", ""},
	{"all of it", "COPY . /", ""},
	{"wildcards", "COPY a* dir/* /d/", ""},
	{"owner", "COPY --chown=7:8 a /\nADD --chown=9 dir /d", ""},
	{"owners with names on the host", "COPY --chown=33:50 a /", ""},
	{"mode", "COPY --chmod=4711 a /", "buildkit"},
	{"the same twice", "COPY a /\nCOPY a /\nCMD [\"/a\"]", "buildkit"},
	{"many", "ENV A=1\nCOPY a /1\nLABEL a=b\nCOPY dir /2\nWORKDIR /3\nADD a /4\nEXPOSE 1\nUSER x\nCMD [\"y\"]", ""},
}

func (c builtCase) context(t *testing.T) string {
	t.Helper()
	return builders.Context(t, map[string]string{
		"Dockerfile": "FROM scratch\n" + c.directives + "\n", "a": "a\n", "dir/b": "#!/b\n", "dir/sub/c": "c\n"})
}

func casesOf(builder string) []builtCase {
	var out []builtCase
	for _, c := range builtCases {
		if c.only == "" || c.only == builder {
			out = append(out, c)
		}
	}
	return out
}

// checkBuilt verifies an image by its context, and wants the level.
func checkBuilt(t *testing.T, ref, context string, level Level) Image {
	t.Helper()
	o := Options{Platform: "linux/amd64", Offline: true, Given: Given{Context: context}, RebuildLevel: level,
		Requirements: Requirements{Only: []string{"rebuild.level"}}}
	img := verifyOne(t, ref, o)
	wants(t, img, Verified, "rebuild.level", Pass, "")
	if img.Rebuild == nil || img.Rebuild.Level != level {
		t.Errorf("%+v", img.Rebuild)
	}
	return img
}

func TestImagesOfBuildKitAreRebuiltToTheirManifest(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	b := builders.StartBuildKit(t)
	cases := casesOf("buildkit")
	if len(cases) < 25 {
		t.Errorf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			context, file := c.context(t), filepath.Join(t.TempDir(), "oci.tar")
			b.Build(t, context, file, strconv.Itoa(builtEpoch))
			img := checkBuilt(t, "oci-archive:"+file, context, SameDigest)
			if w := img.Rebuild.Witnesses; len(w) != 1 || w[0].Field != "created" {
				t.Errorf("witnesses %v", w)
			}
		})
	}
}

func TestImagesOfTheClassicBuilderAreRebuiltToTheirID(t *testing.T) {
	corpus.Long(t)
	t.Parallel()
	d := builders.StartDocker(t)
	cases, contexts := casesOf("classic"), []string{}
	if len(cases) < 25 {
		t.Errorf("%d cases", len(cases))
	}
	saved := filepath.Join(t.TempDir(), "saved.tar")
	save := []string{"save", "-o", saved}
	for i, c := range cases {
		name := "test/case" + strconv.Itoa(i)
		contexts = append(contexts, c.context(t))
		d.BuildClassic(t, name, contexts[i])
		save = append(save, name)
	}
	d.Run(t, save...)
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			img := checkBuilt(t, "docker-archive:"+saved+":test/case"+strconv.Itoa(i), contexts[i], SameImageID)
			for _, w := range img.Rebuild.Witnesses {
				if !witnessAllowed(w.Field) {
					t.Errorf("%s is no witness", w.Field)
				}
			}
		})
	}
}

// witnessAllowed reports whether a value is one that no source can give.
func witnessAllowed(field string) bool {
	switch field {
	case "docker_version", "container", "container_config.Hostname", "config.Image", "created":
		return true
	}
	return strings.HasPrefix(field, "history[") && strings.HasSuffix(field, "].created") || strings.Contains(field, ": time of ")
}

// busybox is a program for RUN that needs nothing beside it.
func busybox(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"/usr/bin/busybox", "/bin/busybox"} {
		if program, err := os.ReadFile(name); err == nil {
			return string(program)
		}
	}
	t.Fatal("Debian's package busybox-static is not installed")
	return ""
}

func makeProgram(t *testing.T, context string) {
	t.Helper()
	if err := os.Chmod(filepath.Join(context, "sh"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestWhatStandsBetweenRunsIsProved builds with a RUN between two COPYs: what
// the RUN left follows from nothing, and the others are proved all the same.
func TestWhatStandsBetweenRunsIsProved(t *testing.T) {
	t.Parallel()
	shell := busybox(t)
	context := builders.Context(t, map[string]string{"a": "a\n", "sh": string(shell),
		"Dockerfile": "FROM scratch\nCOPY --chown=0:0 sh /bin/\nCOPY a /one/\nRUN [\"/bin/sh\", \"-c\", \"echo x > /two\"]\nCOPY a /three/\nCMD [\"/bin/sh\"]\n"})
	makeProgram(t, context)
	d, b := builders.StartDocker(t), builders.StartBuildKit(t)
	classic, buildkit := filepath.Join(t.TempDir(), "saved.tar"), filepath.Join(t.TempDir(), "oci.tar")
	d.BuildClassic(t, "test/run", context)
	d.Save(t, "test/run", classic)
	b.Build(t, context, buildkit, strconv.Itoa(builtEpoch))
	for _, ref := range []string{"docker-archive:" + classic, "oci-archive:" + buildkit} {
		o := Options{Platform: "linux/amd64", Offline: true, Given: Given{Context: context}, Requirements: Requirements{Only: []string{"rebuild.level", "layer.content"}}}
		img := verifyOne(t, ref, o)
		wants(t, img, Incomplete, "layer.content", Unknown, "run-unproved")
		wants(t, img, Incomplete, "rebuild.level", Unknown, "run-unproved")
		r := img.Rebuild
		if len(r.Layers) != 4 || r.Level != NoLevel {
			t.Fatalf("%s: level %q, %d layers", ref, r.Level, len(r.Layers))
		}
		for i, l := range r.Layers {
			run := i == 2
			if l.Level.Reaches(SameLayers) == run || (l.Reason == "run-unproved") != run || (l.Coverage.Bytes.Proved == 0) != run {
				t.Errorf("%s: layer %d: %+v %+v", ref, i+1, l, *l.Coverage)
			}
		}
		if c := r.Coverage.Bytes; c.Proved != int64(len(shell))+4 || c.Unproved != 2 {
			t.Errorf("%s: coverage %+v", ref, c)
		}
		o.Requirements.Accept = []string{"run-unproved"}
		wants(t, verifyOne(t, ref, o), Verified, "layer.content", Unknown, "run-unproved")
	}
}

// withRuns puts a RUN after the program for it, and one after the first
// directive that copies, if the user is root there and no volume in the way.
func (c builtCase) withRuns(t *testing.T, shell string) string {
	t.Helper()
	lines := []string{"FROM scratch", "COPY --chown=0:0 sh /bin/"}
	number, can := 0, true
	run := func() {
		number++
		lines = append(lines, fmt.Sprintf(`RUN ["/bin/sh", "-c", "echo %d > /run%d"]`, number, number))
	}
	run()
	for line := range strings.SplitSeq(c.directives, "\n") {
		lines = append(lines, line)
		can = can && !strings.HasPrefix(line, "USER") && !strings.HasPrefix(line, "VOLUME")
		if can && (strings.HasPrefix(line, "COPY") || strings.HasPrefix(line, "ADD")) {
			run()
			can = false
		}
	}
	context := builders.Context(t, map[string]string{
		"Dockerfile": strings.Join(lines, "\n") + "\n", "a": "a\n", "dir/b": "#!/b\n", "dir/sub/c": "c\n", "sh": shell})
	makeProgram(t, context)
	return context
}

// TestEveryOtherLayerIsProvedWhereRunsStandBetween builds each Dockerfile of
// the table again with RUN between its directives.
func TestEveryOtherLayerIsProvedWhereRunsStandBetween(t *testing.T) {
	shell := busybox(t)
	builds := map[string]func(t *testing.T) func(t *testing.T, context, file string) string{
		"classic": func(t *testing.T) func(*testing.T, string, string) string {
			d := builders.StartDocker(t)
			return func(t *testing.T, context, file string) string {
				d.BuildClassic(t, "test/runs", context)
				d.Save(t, "test/runs", file)
				return "docker-archive:" + file
			}
		},
		"buildkit": func(t *testing.T) func(*testing.T, string, string) string {
			b := builders.StartBuildKit(t)
			return func(t *testing.T, context, file string) string {
				b.Build(t, context, file, strconv.Itoa(builtEpoch))
				return "oci-archive:" + file
			}
		},
	}
	for builder, start := range builds {
		t.Run(builder, func(t *testing.T) {
			t.Parallel()
			build := start(t)
			for _, c := range casesOf(builder) {
				t.Run(c.name, func(t *testing.T) {
					context := c.withRuns(t, shell)
					checkAroundRuns(t, build(t, context, filepath.Join(t.TempDir(), "image.tar")), context)
				})
			}
		})
	}
}

// checkAroundRuns wants RUN's layers unproved and all others written again.
func checkAroundRuns(t *testing.T, ref, context string) {
	t.Helper()
	img := verifyOne(t, ref, Options{Platform: "linux/amd64", Offline: true, Given: Given{Context: context},
		Requirements: Requirements{Only: []string{"rebuild.level", "layer.content"}}})
	wants(t, img, Incomplete, "layer.content", Unknown, "run-unproved")
	proved, unproved := 0, 0
	for i, l := range img.Rebuild.Layers {
		switch {
		case l.Reason == "run-unproved":
			unproved++
		case l.Level.Reaches(SameLayers):
			proved++
		default:
			t.Errorf("layer %d, Dockerfile:%d: %+v", i+1, l.Directive, l)
		}
	}
	if proved == 0 || unproved == 0 {
		t.Errorf("%d layers proved, %d of RUN", proved, unproved)
	}
}
