package library

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func day(n int) time.Time { return time.Date(2024, 1, n, 0, 0, 0, 0, time.UTC) }

func entry(commit string) Entry {
	return Entry{Architecture: "amd64", Repository: "https://example.org/x", Commit: commit, Directory: ".", File: "Dockerfile"}
}

// past makes the moments of a tag: one letter a day for the entry's commit, "-"
// for a day on which the tag is gone, several letters for several entries.
func past(days string) []moment {
	var out []moment
	for i, commits := range strings.Fields(days) {
		m := moment{commit: fmt.Sprintf("L%d", i+1), time: day(i + 1)}
		for _, c := range strings.Trim(commits, "-") {
			m.entries = append(m.entries, entry(strings.Repeat(string(c), 40)))
		}
		out = append(out, m)
	}
	return out
}

// shown writes candidates as "commit from-until behind", with ! for in force.
func shown(c []Candidate) string {
	var out []string
	for _, one := range c {
		until := "now"
		if !one.Until.IsZero() {
			until = fmt.Sprint(one.Until.Day())
		}
		text := fmt.Sprintf("%c %d-%s %d", one.Entry.Commit[0], one.Merged.Day(), until, one.Behind)
		if one.InForce {
			text += "!"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestEntriesComeAndGo(t *testing.T) {
	for days, want := range map[string]string{
		"a":         "a 1-now 0!",
		"a a a":     "a 1-now 0!",
		"a b c":     "c 3-now 0!, b 2-3 1, a 1-2 2",
		"a b -":     "b 2-3 0, a 1-2 1",
		"- a":       "a 2-now 0!",
		"a - a":     "a 3-now 0!, a 1-2 0!",
		"a b a":     "a 3-now 0!, b 2-3 1, a 1-2 0!",
		"a b a c":   "c 4-now 0!, a 3-4 1, b 2-3 2, a 1-2 1",
		"ab b":      "b 1-now 0!, a 1-2 1",
		"aa":        "a 1-now 0!",
		"- -":       "",
		"a b a b -": "b 4-5 0, a 3-4 1, b 2-3 0, a 1-2 1",
	} {
		if got := shown(stretches(past(days), "amd64")); got != want {
			t.Errorf("%s: %s, want %s", days, got, want)
		}
	}
	if got := stretches(past("a b"), "arm64v8"); len(got) != 0 {
		t.Errorf("another architecture: %v", got)
	}
}

func TestTheSameBuildUnderAnotherURLIsNoNewEntry(t *testing.T) {
	moved := entry(commitA)
	moved.Repository, moved.Tags, moved.Fetch = "git://EXAMPLE.org/x.git", []string{"more"}, "refs/heads/main"
	m := []moment{{"L1", day(1), []Entry{entry(commitA)}}, {"L2", day(2), []Entry{moved}}}
	if got := shown(stretches(m, "amd64")); got != "a 1-now 0!" {
		t.Errorf("%s, want one entry from the first day on", got)
	}
}

func TestOrderGoesBackInTimeAndThenForward(t *testing.T) {
	c := stretches(past("a b c d e"), "amd64")
	letters := func(c []Candidate) string {
		var out string
		for _, one := range c {
			out += one.Entry.Commit[:1]
		}
		return out
	}
	for _, one := range []struct {
		name    string
		created time.Time
		named   []string
		want    string
	}{
		{"created while c was in force", day(3).Add(time.Hour), nil, "cbade"},
		{"created the moment c was merged", day(3), nil, "cbade"},
		{"created before all", day(1).Add(-time.Hour), nil, "abcde"},
		{"created after all", day(9), nil, "edcba"},
		{"a claim names b", day(3), []string{commitB}, "bcade"},
		{"claims name e and a", day(3), []string{commitA, strings.Repeat("e", 40)}, "eacbd"},
		{"a claim names no entry", day(3), []string{"", strings.Repeat("f", 40)}, "cbade"},
		{"no creation time", time.Time{}, nil, "edcba"},
		{"creation time 0", time.Unix(0, 0), nil, "edcba"},
		{"creation time 1980", time.Date(1980, 1, 1, 0, 0, 1, 0, time.UTC), nil, "edcba"},
	} {
		if got := letters(Order(c, one.created, one.named)); got != one.want {
			t.Errorf("%s: %s, want %s", one.name, got, one.want)
		}
	}
	back := stretches(past("a b a"), "amd64")
	if got := shown(Order(back, day(2), nil)); got != "b 2-3 1, a 1-2 0!" {
		t.Errorf("an entry that came back: %s, want it once", got)
	}
	if got := shown(back); got != "a 3-now 0!, b 2-3 1, a 1-2 0!" {
		t.Errorf("Order changed its argument: %s", got)
	}
}

func TestACauseIsNotYoungerThanItsEffect(t *testing.T) {
	created := day(10)
	for committed, want := range map[time.Time]bool{
		day(1): true, day(10): true, day(11): true, day(11).Add(time.Second): false, day(20): false,
	} {
		if got := (Candidate{}).MayExplain(created, committed); got != want {
			t.Errorf("committed %v: %v, want %v", committed, got, want)
		}
	}
	for _, unknown := range []time.Time{{}, time.Unix(0, 0), time.Date(1980, 12, 31, 0, 0, 0, 0, time.UTC)} {
		if !(Candidate{}).MayExplain(unknown, day(20)) {
			t.Errorf("created %v says nothing, and excluded an entry", unknown)
		}
	}
}
