package verify

import "testing"

func TestFilesOfAnotherStageAreProvedAsFarAsThatStageFollowsFromTheSource(t *testing.T) {
	const last = "FROM scratch\nCOPY --from=build /out/a /b\nCMD [\"/b\"]\n"
	tests := []struct {
		name, stage string
		layer       entry
		want        attack
	}{
		{"files copied twice", "FROM scratch AS build\nCOPY a /out/\n", file("b", "the file"), attack{check: "layer.content", status: Pass, reason: ""}},
		{"files of a stage on a stage", "FROM scratch AS first\nCOPY a /in/\nFROM scratch AS build\nCOPY --from=0 /in /out\n", file("b", "the file"), attack{check: "layer.content", status: Pass, reason: ""}},
		{"other content", "FROM scratch AS build\nCOPY a /out/\n", file("b", "evil"), attack{check: "layer.content", status: Fail, reason: "content-differs"}},
		{"a file that the stage does not have", "FROM scratch AS build\nCOPY a /other/\n", file("b", "the file"), attack{check: "layer.content", status: Unknown, reason: "source-absent"}},
		{"a stage that runs a program", "FROM scratch AS build\nCOPY a /in/\nRUN [\"/in/a\"]\n", file("b", "the file"), attack{check: "layer.content", status: Unknown, reason: "run-unproved"}},
		{"a stage on an image", "FROM golang:1 AS build\nCOPY a /out/\n", file("b", "the file"), attack{check: "layer.content", status: Unknown, reason: "needs-builder"}},
		{"two stages of one name", "FROM scratch AS build\nCOPY a /out/\nFROM scratch AS build\nCOPY a /out/\n", file("b", "the file"), attack{check: "layer.content", status: Unknown, reason: "needs-builder"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.release(map[string]string{"Dockerfile": test.stage + last, "a": "the file"})
			s := w.image(step{"COPY /out/a /b # buildkit", []entry{test.layer}}, step{`CMD ["/b"]`, nil})
			checkAttack(t, test.want, verifyOne(t, "oci:"+s.write(), w.options()))
		})
	}
}
