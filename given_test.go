package verify

import (
	"archive/tar"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imageverify/verify/internal/gitserver"
)

// ownDockerfile and ownFiles are an image of the user's own, ownSteps what
// BuildKit leaves of it.
const ownDockerfile = "FROM scratch\nCOPY conf /etc/app/\nCOPY --chown=7:8 run.sh /run.sh\nCMD [\"/run.sh\"]\n"

func ownFiles() map[string]string {
	return map[string]string{"Dockerfile": ownDockerfile, "conf/a.conf": "a=1\n", "conf/b.conf": "b=2\n", "run.sh": "#!/bin/sh\necho own\n"}
}

func ownSteps() []step {
	return []step{
		{"COPY conf /etc/app/ # buildkit", []entry{folder("etc"), folder("etc/app"), file("etc/app/a.conf", "a=1\n"), file("etc/app/b.conf", "b=2\n")}},
		{"COPY --chown=7:8 run.sh /run.sh # buildkit", []entry{script("run.sh", "#!/bin/sh\necho own\n", 7, 8)}},
		{`CMD ["/run.sh"]`, nil},
	}
}

func folder(name string) entry {
	return entry{tar.Header{Name: name + "/", Mode: 0o755, Typeflag: tar.TypeDir}, nil}
}

func script(name, text string, uid, gid int) entry {
	return entry{tar.Header{Name: name, Mode: 0o755, Uid: uid, Gid: gid, Typeflag: tar.TypeReg}, []byte(text)}
}

// ownContext writes the files into a folder.
func ownContext(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		writeFile(t, filepath.Join(dir, name), text, mode)
	}
	return dir
}

func writeFile(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func ownImage(t *testing.T) string { return "oci:" + newWorld(t).image(ownSteps()...).write() }

func given(g Given) Options { return Options{Platform: "linux/amd64", Offline: true, Given: g} }

func TestAContextProvesTheUsersOwnImage(t *testing.T) {
	dir := ownContext(t, ownFiles())
	img := verifyOne(t, ownImage(t), given(Given{Context: dir}))
	if img.Verdict != Verified {
		t.Fatalf("verdict %s:%s", img.Verdict, describe(img))
	}
	o := img.Origin
	if o.Repository != nil || o.Commit != nil || o.File != filepath.Join(dir, "Dockerfile") || o.Context != dir {
		t.Errorf("origin %+v; want no repository, no commit, and the files' names", o)
	}
	if len(o.Claims) != 1 || o.Claims[0].Source != "flag" || o.Claims[0].Kind != "build" {
		t.Errorf("claims %+v; want one by the flag", o.Claims)
	}
	for _, id := range []string{"trace.reachable", "trace.current", "rootfs.checksum"} {
		if _, ok := findingOf(img, id); ok {
			t.Errorf("%s was made for a Dockerfile that was handed in", id)
		}
	}
}

func TestADockerfileAloneNamesTheDirectivesAndNoContext(t *testing.T) {
	dir := ownContext(t, ownFiles())
	img := verifyOne(t, ownImage(t), given(Given{Dockerfile: filepath.Join(dir, "Dockerfile")}))
	checkAttack(t, attack{check: "layer.content", status: Unknown, reason: "context-unknown"}, img)
	for _, id := range []string{"trace.origin", "trace.claims", "history.directives"} {
		if f, ok := findingOf(img, id); !ok || f.Status != Pass {
			t.Errorf("%s does not pass:%s", id, describe(img))
		}
	}
	if img.Origin.Repository != nil || img.Origin.Commit != nil || img.Origin.Context != "" {
		t.Errorf("origin %+v", img.Origin)
	}
	g := Given{Dockerfile: "-", Stdin: strings.NewReader(ownDockerfile)}
	if f, _ := findingOf(verifyOne(t, ownImage(t), given(g)), "trace.origin"); f.Status != Pass {
		t.Errorf("read from stdin: %+v", f)
	}
	other := filepath.Join(t.TempDir(), "Dockerfile")
	writeFile(t, other, strings.Replace(ownDockerfile, "/run.sh\"", "/rum.sh\"", 1), 0o644)
	checkAttack(t, attack{check: "trace.origin", status: Fail, reason: "text-differs"}, verifyOne(t, ownImage(t), given(Given{Dockerfile: other})))
}

func TestAContextThatIsNotTheImagesFails(t *testing.T) {
	for name, a := range map[string]struct {
		change func(t *testing.T, dir string)
		reason string
	}{
		"a file has other content": {func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "conf/a.conf"), "a=2\n", 0o644) }, "content-differs"},
		"a file is longer":         {func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "conf/a.conf"), "a=1\n\n", 0o644) }, "content-differs"},
		"a file has another mode":  {func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "conf/a.conf"), "a=1\n", 0o600) }, "mode-differs"},
		"a script runs no longer": {func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "run.sh"), "#!/bin/sh\necho own\n", 0o644)
		}, "mode-differs"},
		"a file is new": {func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, "conf/c.conf"), "c\n", 0o644) }, "file-missing"},
		"a file is gone": {func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "conf/b.conf")); err != nil {
				t.Fatal(err)
			}
		}, "file-added"},
		"a file became a link": {func(t *testing.T, dir string) {
			link(t, "b.conf", filepath.Join(dir, "conf/a.conf"))
		}, "type-differs"},
		".dockerignore excludes a file": {func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, ".dockerignore"), "conf/a.conf\n", 0o644)
			writeFile(t, filepath.Join(dir, "conf/a.conf"), "a=2\n", 0o644)
		}, "file-added"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ownContext(t, ownFiles())
			a.change(t, dir)
			checkAttack(t, attack{check: "layer.content", status: Fail, reason: a.reason}, verifyOne(t, ownImage(t), given(Given{Context: dir})))
		})
	}
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

func TestAnImageThatIsNotTheContextsFails(t *testing.T) {
	for name, a := range map[string]struct {
		change func(steps []step)
		reason string
	}{
		"an extra file":    {func(s []step) { s[0].layer = append(s[0].layer, file("etc/app/evil", "x")) }, "file-added"},
		"another mode":     {func(s []step) { s[0].layer[2].header.Mode = 0o666 }, "mode-differs"},
		"setuid":           {func(s []step) { s[1].layer[0].header.Mode |= 0o4000 }, "mode-differs"},
		"another owner":    {func(s []step) { s[1].layer[0].header.Uid = 0 }, "owner-differs"},
		"a missing file":   {func(s []step) { s[0].layer = s[0].layer[:3] }, "file-missing"},
		"an extra layer":   {func(s []step) { s[2].layer = []entry{file("evil", "x")} }, ""},
		"a changed script": {func(s []step) { s[1].layer[0].data = []byte("#!/bin/sh\necho own3") }, "content-differs"},
	} {
		t.Run(name, func(t *testing.T) {
			steps := ownSteps()
			a.change(steps)
			img := verifyOne(t, "oci:"+newWorld(t).image(steps...).write(), given(Given{Context: ownContext(t, ownFiles())}))
			if img.Verdict != Failed {
				t.Errorf("verdict %s:%s", img.Verdict, describe(img))
			}
			if f, _ := findingOf(img, "layer.content"); a.reason != "" && f.Reason != a.reason {
				t.Errorf("layer.content %s, want %s:%s", f.Reason, a.reason, describe(img))
			}
		})
	}
}

func TestHardLinksOfTheContextLeaveItsLayerUnknown(t *testing.T) {
	dir := ownContext(t, ownFiles())
	b := filepath.Join(dir, "conf/b.conf")
	if err := os.Remove(b); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "conf/a.conf"), b); err != nil {
		t.Fatal(err)
	}
	steps := ownSteps()
	steps[0].layer[3] = hardLink("etc/app/b.conf", "etc/app/a.conf")
	ref := "oci:" + newWorld(t).image(steps...).write()
	checkAttack(t, attack{check: "layer.content", status: Unknown, reason: "needs-builder"}, verifyOne(t, ref, given(Given{Context: dir})))

	// A link in the image and none in the context is none of the context's.
	files := ownFiles()
	files["conf/b.conf"] = files["conf/a.conf"]
	checkAttack(t, attack{check: "layer.content", status: Fail, reason: "type-differs"}, verifyOne(t, ref, given(Given{Context: ownContext(t, files)})))

	// The content is compared all the same.
	writeFile(t, b, "a=2\n", 0o644)
	checkAttack(t, attack{check: "layer.content", status: Fail, reason: "content-differs"}, verifyOne(t, ref, given(Given{Context: dir})))
}

func TestNothingOutsideTheContextIsRead(t *testing.T) {
	steps := []step{{"COPY passwd /x # buildkit", []entry{file("x", "outside")}}}
	for _, target := range []string{"../outside", "outside", "/etc/../../outside"} {
		top := t.TempDir()
		writeFile(t, filepath.Join(top, "outside"), "outside", 0o644)
		dir := filepath.Join(top, "context")
		writeFile(t, filepath.Join(dir, "Dockerfile"), "FROM scratch\nCOPY passwd /x\n", 0o644)
		if target == "outside" {
			target = filepath.Join(top, "outside")
		}
		link(t, target, filepath.Join(dir, "passwd"))
		img := verifyOne(t, "oci:"+newWorld(t).image(steps...).write(), given(Given{Context: dir}))
		checkAttack(t, attack{check: "layer.content", status: Unknown, reason: "source-absent"}, img)
	}
}

func TestTheDockerfilesOwnIgnoreFileTakesTheOthersPlace(t *testing.T) {
	files := ownFiles()
	files[".dockerignore"] = "conf/b.conf\n"
	files["Dockerfile.dockerignore"] = "conf/c.conf\n"
	files["conf/c.conf"] = "not sent"
	img := verifyOne(t, ownImage(t), given(Given{Context: ownContext(t, files)}))
	if img.Verdict != Verified {
		t.Errorf("in the context: %s", describe(img))
	}
	delete(files, "Dockerfile.dockerignore")
	other := ownContext(t, map[string]string{"app.docker": ownDockerfile, "app.docker.dockerignore": "conf/c.conf\n"})
	img = verifyOne(t, ownImage(t), given(Given{Context: ownContext(t, files), Dockerfile: filepath.Join(other, "app.docker")}))
	if img.Verdict != Verified {
		t.Errorf("beside a Dockerfile elsewhere: %s", describe(img))
	}
}

func TestBuildArgumentsAndTheTargetAreThoseOfTheBuild(t *testing.T) {
	text := "FROM scratch AS one\nARG NAME=x\nLABEL n=$NAME\nFROM scratch\nCMD [\"/no\"]\n"
	dir := ownContext(t, map[string]string{"Dockerfile": text})
	steps := []step{{"ARG NAME=own", nil}, {"LABEL n=own", nil}}
	s := newWorld(t).image(steps...)
	s.config.Config.Labels = map[string]string{"n": "own"}
	s.seal()
	ref := "oci:" + s.write()
	if img := verifyOne(t, ref, given(Given{Context: dir, Target: "one", BuildArgs: map[string]string{"NAME": "own"}})); img.Verdict != Verified {
		t.Errorf("as it was built: %s", describe(img))
	}
	for _, g := range []Given{{Context: dir, Target: "one"}, {Context: dir, BuildArgs: map[string]string{"NAME": "own"}}} {
		checkAttack(t, attack{check: "trace.origin", status: Fail, reason: "text-differs"}, verifyOne(t, ref, given(g)))
	}
}

// ownRepository commits the files as the directory app of a repository on a
// server, with a Dockerfile elsewhere in it.
func ownRepository(t *testing.T, files map[string]string) (*gitserver.Server, *gitserver.Repository, string) {
	t.Helper()
	server := gitserver.New(t)
	repo := server.Repository(t, "me/app.git", "sha1")
	in := map[string]string{"build/own.docker": ownDockerfile}
	for name, text := range files {
		in["app/"+name] = text
	}
	return server, repo, repo.Commit(in)
}

func TestASourceProvesTheUsersOwnImage(t *testing.T) {
	files := ownFiles()
	delete(files, "run.sh") // git knows no mode but by the file system's
	files["Dockerfile"] = "FROM scratch\nCOPY conf /etc/app/\n"
	server, repo, id := ownRepository(t, files)
	ref := "oci:" + newWorld(t).image(ownSteps()[:1]...).write()
	t.Setenv("SSL_CERT_FILE", server.CertFile(t))
	for name, g := range map[string]struct {
		source string
		online bool
	}{
		"over https":       {repo.URL + "#" + id + ":app", true},
		"a local path":     {repo.Dir + "#" + strings.ToUpper(id) + ":app/", false},
		"a mirror of it":   {"https://git.test/me/app#" + id + ":app", false},
		"with credentials": {strings.Replace(repo.URL, "https://", "https://me:secret@", 1) + "#" + id + ":app", true},
	} {
		t.Run(name, func(t *testing.T) {
			o := given(Given{Source: g.source})
			o.Offline, o.AllowHosts = !g.online, []string{server.Host()}
			o.GitMirrors = map[string]string{"https://git.test/": filepath.Dir(filepath.Dir(repo.Dir))}
			if name == "a mirror of it" {
				o.GitMirrors = map[string]string{"https://git.test/me/app": repo.Dir}
			} else {
				o.GitMirrors = nil
			}
			img := verifyOne(t, ref, o)
			if img.Verdict != Verified {
				t.Fatalf("verdict %s:%s", img.Verdict, describe(img))
			}
			if img.Origin.Commit == nil || *img.Origin.Commit != id || img.Origin.Directory != "app" {
				t.Errorf("origin %+v", img.Origin)
			}
			if strings.Contains(*img.Origin.Repository, "secret") {
				t.Errorf("the report repeats the password: %s", *img.Origin.Repository)
			}
			if f, ok := findingOf(img, "trace.reachable"); !ok || f.Status != Pass || !f.Required {
				t.Errorf("trace.reachable is not required and passed:%s", describe(img))
			}
		})
	}
	t.Run("a changed file", func(t *testing.T) {
		next := repo.Commit(map[string]string{"app/conf/b.conf": "b=3\n"})
		img := verifyOne(t, ref, given(Given{Source: repo.Dir + "#" + next + ":app"}))
		checkAttack(t, attack{check: "layer.content", status: Fail, reason: "content-differs"}, img)
	})
	t.Run("a fork's commit", func(t *testing.T) {
		fork := repo.Fork(id, map[string]string{"README": "x"})
		img := verifyOne(t, ref, given(Given{Source: repo.Dir + "#" + fork + ":app"}))
		checkAttack(t, attack{check: "trace.reachable", status: Unknown, reason: "commit-unreachable"}, img)
	})
	t.Run("a stage that a server's source lacks", func(t *testing.T) {
		o := given(Given{Source: repo.URL + "#" + id + ":app", Target: "x"})
		o.Offline, o.AllowHosts = false, []string{server.Host()}
		_, err := Verify(context.Background(), []string{ref}, o)
		e, ok := errors.AsType[*RunError](err)
		if !ok || e.Code != "source" || !strings.Contains(e.Message, `no stage "x"`) {
			t.Errorf("error %v, want that the source has no such stage", err)
		}
	})
	t.Run("a Dockerfile elsewhere in the source", func(t *testing.T) {
		img := verifyOne(t, ref, given(Given{Source: repo.Dir + "#" + id + ":app", Dockerfile: "../build/own.docker"}))
		checkAttack(t, attack{check: "trace.origin", status: Fail, reason: "text-differs"}, img)
		if !strings.Contains(describe(img), "own.docker") {
			t.Errorf("the file is not named:%s", describe(img))
		}
	})
}

func TestInputsThatAreNotWhatTheyShouldBeEndTheRun(t *testing.T) {
	dir := ownContext(t, ownFiles())
	huge := filepath.Join(dir, "huge")
	writeFile(t, huge, "FROM scratch\n"+strings.Repeat("# \n", 1<<20), 0o644)
	_, repo, id := ownRepository(t, ownFiles())
	nowhere := filepath.Join(dir, "nowhere")
	for name, c := range map[string]struct {
		given      Given
		code, text string
	}{
		"no such Dockerfile":         {Given{Dockerfile: nowhere}, "dockerfile", "dockerfile " + nowhere + ": no such file"},
		"a directory as Dockerfile":  {Given{Dockerfile: dir}, "dockerfile", "dockerfile " + dir + ": is a directory"},
		"a huge Dockerfile":          {Given{Dockerfile: huge}, "dockerfile", "larger than the limit of 1048576 bytes"},
		"no Dockerfile":              {Given{Dockerfile: filepath.Join(dir, "run.sh")}, "dockerfile", "run.sh: line 2"},
		"no such stage":              {Given{Context: dir, Target: "x"}, "dockerfile", `no stage "x"`},
		"no such context":            {Given{Context: nowhere}, "context", "context " + nowhere + ": no such file"},
		"a file as context":          {Given{Context: huge}, "context", "huge: not a directory"},
		"a context without one":      {Given{Context: filepath.Join(dir, "conf")}, "dockerfile", "conf/Dockerfile: no such file"},
		"no standard input":          {Given{Dockerfile: "-"}, "dockerfile", "no standard input"},
		"source and context":         {Given{Context: dir, Source: repo.Dir + "#" + id}, "usage", "exclude each other"},
		"source and stdin":           {Given{Source: repo.Dir + "#" + id, Dockerfile: "-"}, "usage", "--dockerfile -"},
		"a target of nothing":        {Given{Target: "x"}, "usage", "--target"},
		"a source without a commit":  {Given{Source: repo.Dir}, "usage", "want REPOSITORY#COMMIT[:DIRECTORY]"},
		"a branch":                   {Given{Source: repo.Dir + "#main"}, "usage", `"main" is not a full commit id`},
		"an abbreviated commit":      {Given{Source: repo.Dir + "#" + id[:12] + ":app"}, "usage", "is not a full commit id"},
		"an unknown commit":          {Given{Source: repo.Dir + "#" + strings.Repeat("0", 40) + ":app"}, "source", "has no commit 000"},
		"an unknown directory":       {Given{Source: repo.Dir + "#" + id + ":nowhere"}, "source", "has no directory nowhere"},
		"a file as directory":        {Given{Source: repo.Dir + "#" + id + ":app/run.sh"}, "source", "has no directory app/run.sh"},
		"a directory without one":    {Given{Source: repo.Dir + "#" + id}, "source", "has no file Dockerfile"},
		"a stage the source lacks":   {Given{Source: repo.Dir + "#" + id + ":app", Target: "x"}, "source", `no stage "x"`},
		"a directory that leaves":    {Given{Source: repo.Dir + "#" + id + ":../x"}, "usage", "leaves the repository"},
		"a Dockerfile that leaves":   {Given{Source: repo.Dir + "#" + id + ":app", Dockerfile: "../../x"}, "usage", "--dockerfile ../../x"},
		"an absolute Dockerfile":     {Given{Source: repo.Dir + "#" + id + ":app", Dockerfile: "/x"}, "usage", "--dockerfile /x"},
		"no repository":              {Given{Source: dir + "#" + id}, "source", "not a git repository"},
		"no such repository":         {Given{Source: nowhere + "#" + id}, "source", "neither an https URL nor a directory"},
		"a repository by ssh":        {Given{Source: "ssh://git@git.test/me/app#" + id}, "source", "neither an https URL nor a directory"},
		"a repository in scp's form": {Given{Source: "git@git.test:me/app#" + id}, "source", "neither an https URL nor a directory"},
		"a file URL":                 {Given{Source: "file://" + repo.Dir + "#" + id}, "source", "neither an https URL nor a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(context.Background(), []string{"oci:" + nowhere}, given(c.given))
			e, ok := errors.AsType[*RunError](err)
			if !ok || e.Code != c.code || !strings.Contains(e.Message, c.text) || strings.Contains(e.Message, "\n") {
				t.Errorf("error %v (code %s), want %s: …%s…", err, e.Code, c.code, c.text)
			}
		})
	}
}

func TestLabelsAgainstTheUsersWord(t *testing.T) {
	const base = "https://git.test/base/image"
	dockerfile := "FROM base\nCOPY conf /etc/app/\n"
	source, revision := "org.opencontainers.image.source", "org.opencontainers.image.revision"
	repo := func(t *testing.T) (*gitserver.Repository, string) {
		files := ownFiles()
		files["Dockerfile"] = dockerfile
		_, repo, id := ownRepository(t, files)
		return repo, id
	}
	inherited := []step{{"LABEL " + source + "=" + base + " " + revision + "=" + strings.Repeat("a", 40), nil}, ownSteps()[0]}
	for name, c := range map[string]struct {
		labels map[string]string
		steps  []step
		want   attack
		base   int
	}{
		"inherited from the base": {map[string]string{source: base, revision: strings.Repeat("a", 40)}, inherited, attack{check: "trace.claims", status: Pass}, 1},
		"its own, another commit": {map[string]string{source: "https://git.test/me/app", revision: strings.Repeat("b", 40)}, inherited,
			attack{check: "trace.claims", status: Fail, reason: "commit-differs"}, 0},
		"its own over the base's": {map[string]string{source: "https://git.test/other/app", revision: strings.Repeat("a", 40)}, inherited,
			attack{check: "trace.claims", status: Warn, reason: "other-repository"}, 1},
		"its own, another build definition": {map[string]string{source: "https://git.test/other/app.git#" + strings.Repeat("b", 40) + ":app"}, inherited,
			attack{check: "trace.claims", status: Fail, reason: "repository-differs"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			repo, id := repo(t)
			s := newWorld(t).image(c.steps...)
			s.config.Config.Labels = maps.Clone(c.labels)
			s.seal()
			o := given(Given{Source: "https://git.test/me/app#" + id + ":app"})
			o.GitMirrors = map[string]string{"https://git.test/me/app": repo.Dir}
			img := verifyOne(t, "oci:"+s.write(), o)
			f, ok := findingOf(img, "trace.claims")
			if !ok || f.Status != c.want.status || f.Reason != c.want.reason {
				t.Errorf("want %s %s, got%s", c.want.status, c.want.reason, describe(img))
			}
			n := 0
			for _, claim := range img.Origin.Claims {
				if claim.Base {
					n++
				}
			}
			if n != c.base {
				t.Errorf("%d claims of the base, want %d: %+v", n, c.base, img.Origin.Claims)
			}
		})
	}
}

func TestBuildahsLabelMakesNoDifferenceOfContentPass(t *testing.T) {
	const hash = "dir:0000000000000000000000000000000000000000000000000000000000000000"
	dir := ownContext(t, map[string]string{"Dockerfile": "FROM scratch\nWORKDIR /srv\nCOPY conf /srv/\n", "conf/a.conf": "a=1\n"})
	copied := func() []entry { return []entry{folder("srv"), file("srv/a.conf", "a=1\n")} }
	for name, c := range map[string]struct {
		layer  []entry
		status Status
		reason string
	}{
		"as the source makes it": {copied(), Pass, ""},
		"other content":          {[]entry{folder("srv"), file("srv/a.conf", "a=2\n")}, Fail, "content-differs"},
		"a file more":            {append(copied(), file("srv/b", "x")), Fail, "file-added"},
		"a file of another mode": {[]entry{folder("srv"), {tar.Header{Name: "srv/a.conf", Mode: 0o666, Typeflag: tar.TypeReg}, []byte("a=1\n")}},
			Fail, "mode-differs"},
		"a file of another owner": {[]entry{folder("srv"), {tar.Header{Name: "srv/a.conf", Mode: 0o644, Uid: 7, Typeflag: tar.TypeReg}, []byte("a=1\n")}},
			Fail, "owner-differs"},
		"a directory of another owner": {[]entry{{tar.Header{Name: "srv/", Mode: 0o755, Uid: 7, Typeflag: tar.TypeDir}, nil}, file("srv/a.conf", "a=1\n")},
			Unknown, "needs-builder"},
		"a directory of another mode": {[]entry{{tar.Header{Name: "srv/", Mode: 0o700, Typeflag: tar.TypeDir}, nil}, file("srv/a.conf", "a=1\n")},
			Unknown, "needs-builder"},
		"a directory that gives its group away": {[]entry{{tar.Header{Name: "srv/", Mode: 0o2755, Typeflag: tar.TypeDir}, nil}, file("srv/a.conf", "a=1\n")},
			Fail, "mode-differs"},
		"no directory": {[]entry{file("x", "x")}, Fail, "file-added"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newWorld(t).image(step{"/bin/sh -c #(nop) WORKDIR /srv", nil}, step{"/bin/sh -c #(nop) COPY " + hash + " in /srv/ ", c.layer})
			for i := range s.config.History {
				s.config.History[i].Comment = ""
			}
			s.config.Config.WorkingDir = "/srv"
			s.config.Config.Labels = map[string]string{"io.buildah.version": "1.28.2"}
			s.seal()
			img := verifyOne(t, "oci:"+s.write(), given(Given{Context: dir}))
			if f, _ := findingOf(img, "layer.content"); f.Status != c.status || f.Reason != c.reason {
				t.Errorf("want %s %s, got%s", c.status, c.reason, describe(img))
			}
			if f, _ := findingOf(img, "history.content"); f.Status != Unknown || f.Reason != "hash-unknown" {
				t.Errorf("history.content: want unknown, got%s", describe(img))
			}
			s.config.Config.Labels = nil
			s.seal()
			if img := verifyOne(t, "oci:"+s.write(), given(Given{Context: dir})); img.Verdict != Failed {
				t.Errorf("without the label: verdict %s:%s", img.Verdict, describe(img))
			}
		})
	}
}
