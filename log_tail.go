package verify

import (
	"strings"
	"sync"
)

// logTailSize is how much of the end of a build's log is kept, and
// maxLogLines how much of that a report shows.
const (
	logTailSize = 64 << 10
	maxLogLines = 30
)

// logTail keeps the end of what is written to it, by several goroutines.
type logTail struct {
	mu   sync.Mutex
	data []byte
}

// Write keeps p, and lets go of what is too far from the end.
func (t *logTail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if len(t.data) > 2*logTailSize { // moved now and then only
		t.data = append(t.data[:0], t.data[len(t.data)-logTailSize:]...)
	}
	return len(p), nil
}

// lines are the last ones that hold anything.
func (t *logTail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for line := range strings.Lines(string(t.data[max(0, len(t.data)-logTailSize):])) {
		if line = strings.TrimRight(line, "\r\n "); line != "" {
			out = append(out, line)
		}
	}
	return out[max(0, len(out)-maxLogLines):]
}
