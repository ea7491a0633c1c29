package provenance

import (
	"strings"
	"testing"
)

var (
	idA = strings.Repeat("a", 40)
	idB = strings.Repeat("b", 40)
)

func TestClaimOfReadsBuildDefinitionsAndSources(t *testing.T) {
	tests := []struct {
		name string
		set  map[string]string
		want Claim
		ok   bool
	}{
		{"nothing said is no claim", nil, Claim{}, false},
		{"a URL alone is no claim", map[string]string{keyURL: "https://example.com"}, Claim{}, false},
		{"repository, commit and directory are a build definition",
			map[string]string{keySource: "https://x/r.git#" + idA + ":dir/sub/"},
			Claim{Kind: KindBuild, Repository: "https://x/r.git", Commit: idA, Directory: "dir/sub"}, true},
		{"a build definition without a directory is the root's",
			map[string]string{keySource: "https://x/r.git#" + idA},
			Claim{Kind: KindBuild, Repository: "https://x/r.git", Commit: idA, Directory: "."}, true},
		{"a fragment that is no commit is kept as it is",
			map[string]string{keySource: "https://x/r.git#abc:dir"},
			Claim{Kind: KindSource, Repository: "https://x/r.git#abc:dir"}, true},
		{"an abbreviated commit is a build definition",
			map[string]string{keySource: "https://x/r.git#abcdef1:./dir"},
			Claim{Kind: KindBuild, Repository: "https://x/r.git", Commit: "abcdef1", Directory: "dir"}, true},
		{"capitals are the same commit",
			map[string]string{keySource: "https://x/r.git#" + strings.ToUpper(idA) + ":dir"},
			Claim{Kind: KindBuild, Repository: "https://x/r.git", Commit: idA, Directory: "dir"}, true},
		{"a revision in capitals is compared",
			map[string]string{keySource: "https://x/r", keyRevision: strings.ToUpper(idB)},
			Claim{Kind: KindSource, Repository: "https://x/r", Commit: idB}, true},
		{"repository and revision are the program's source",
			map[string]string{keySource: "https://x/r", keyRevision: idB},
			Claim{Kind: KindSource, Repository: "https://x/r", Commit: idB}, true},
		{"a revision that is no commit id is not compared",
			map[string]string{keySource: "https://x/r", keyRevision: "v1.2"},
			Claim{Kind: KindSource, Repository: "https://x/r"}, true},
		{"a revision alone names a commit",
			map[string]string{keyRevision: idB}, Claim{Kind: KindSource, Commit: idB}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := claimOf(ByLabel, "config label", tt.set)
			if ok != tt.ok {
				t.Fatalf("ok = %v, want %v", ok, tt.ok)
			}
			if got.Kind != tt.want.Kind || got.Repository != tt.want.Repository || got.Commit != tt.want.Commit || got.Directory != tt.want.Directory {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if ok && (len(got.Evidence) == 0 || got.Source != ByLabel) {
				t.Errorf("claim without claimant or evidence: %+v", got)
			}
		})
	}
}

func TestPublisherClaimsJoinsWhatIsSaidTwice(t *testing.T) {
	source := map[string]string{keySource: "https://x/r.git#" + idA + ":d", keyRevision: idA}
	got := publisherClaims(Subject{Annotations: source, DescriptorAnnotations: source}, nil)
	if len(got) != 1 || len(got[0].Evidence) != 4 {
		t.Errorf("manifest and descriptor saying the same: %+v, want one claim with four lines of evidence", got)
	}
}

func TestPublisherClaimsKeepsARevisionThatNamesAnotherCommit(t *testing.T) {
	got := publisherClaims(Subject{Annotations: map[string]string{keySource: "https://x/r.git#" + idA + ":d", keyRevision: idB}}, nil)
	if len(got) != 2 || got[0].Commit != idA || got[1].Commit != idB {
		t.Errorf("got %+v, want a claim for each commit", got)
	}
}

func TestDisagreement(t *testing.T) {
	build := func(repository, commit, dir string) Claim {
		return Claim{Kind: KindBuild, Repository: repository, Commit: commit, Directory: dir}
	}
	source := func(repository, commit string) Claim {
		return Claim{Kind: KindSource, Repository: repository, Commit: commit}
	}
	local := func(commit string) Claim {
		return Claim{Source: ByFlag, Kind: KindBuild, Repository: "/srv/app", Commit: commit, Directory: "d", Local: true}
	}
	inherited := Claim{Kind: KindSource, Repository: "https://y/base", Commit: idB, Base: true}
	tests := []struct {
		name string
		a, b Claim
		want string
	}{
		{"a path against a repository of that commit", local(idA), source("https://x/r", idA), ""},
		{"a path against a build definition of another commit", local(idA), build("https://x/r", idB, "d"), "commit-differs"},
		{"a path against a program's source of another commit", local(idA), source("https://x/r", idB), "other-repository"},
		{"a file that was handed in", Claim{Source: ByFlag, Kind: KindBuild, File: "Dockerfile"}, source("https://x/r", idB), ""},
		{"what the base claims", build("https://x/r", idA, "d"), inherited, ""},
		{"what the base claims of the program", source("https://x/r", idA), inherited, ""},
		{"the same", build("https://x/r", idA, "d"), build("https://x/r", idA, "d"), ""},
		{"one repository in two spellings", build("https://X/r.git", idA, "d"), build("git://x/r/", idA, "d"), ""},
		{"another repository", build("https://x/r", idA, "d"), build("https://x/evil", idA, "d"), "repository-differs"},
		{"another commit", build("https://x/r", idA, "d"), build("https://x/r", idB, "d"), "commit-differs"},
		{"another directory", build("https://x/r", idA, "d"), build("https://x/r", idA, "e"), "directory-differs"},
		{"no directory named contradicts none", build("https://x/r", idA, "d"), build("https://x/r", idA, ""), ""},
		{"no commit named contradicts none", build("https://x/r", idA, "d"), source("https://x/r", ""), ""},
		{"across kinds another repository is another thing", build("https://x/r", idA, "d"), source("https://y/p", idB), "other-repository"},
		{"across kinds another commit of one repository", build("https://x/r", idA, "d"), source("https://x/r", idB), "commit-differs"},
		{"an abbreviation of the same commit", build("https://x/r", idA, "d"), source("https://x/r", idA[:7]), ""},
		{"an abbreviation of another commit", build("https://x/r", idA, "d"), source("https://x/r", idB[:7]), "commit-differs"},
		{"a fragment that is no commit", build("https://x/r", idA, "d"), build("https://x/r#v1", "", ""), "repository-differs"},
		{"a commit without a repository is compared", build("https://x/r", idA, "d"), source("", idB), "commit-differs"},
		{"two sources in different repositories", source("https://x/r", ""), source("https://y/p", ""), "repository-differs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, pair := range [][2]Claim{{tt.a, tt.b}, {tt.b, tt.a}} {
				if got := disagreement(pair[0], pair[1]); got != tt.want {
					t.Errorf("disagreement = %q, want %q", got, tt.want)
				}
			}
		})
	}
}

func TestAURLThatLeadsToARepositoryIsAClaimOfTheProgramsSource(t *testing.T) {
	for text, want := range map[string]string{
		"https://github.com/evil/other/tree/main": "https://github.com/evil/other",
		"https://github.com/evil":                 "",
		"https://hub.docker.com/_/alpine":         "",
		"https://example.com/a/b":                 "",
		"":                                        "",
	} {
		got := publisherClaims(Subject{Labels: map[string]string{keyURL: text}}, nil)
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || got[0].Repository != want || got[0].Kind != KindSource) {
			t.Errorf("%q: claims %+v, want %q", text, got, want)
		}
	}
}
