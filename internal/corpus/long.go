package corpus

import "testing"

// Long skips a test whose many cases take one path through the program, under the
// race detector, which takes ten times as long for them and finds nothing in the
// second case that the first did not show.
func Long(t testing.TB) {
	t.Helper()
	if raced {
		t.Skip("many cases of one path: not under the race detector")
	}
}
