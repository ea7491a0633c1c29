package cli

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/imageverify/verify"
	"github.com/imageverify/verify/internal/output"
)

// progressDelay is how long a run stays silent; progressPlain how often a plain
// line is written where stderr is no terminal.
const (
	progressDelay   = time.Second
	progressRefresh = 100 * time.Millisecond
	progressPlain   = 5 * time.Second
	barWidth        = 24
)

// progress shows what a run is doing, once it takes longer than a second.
type progress struct {
	w        io.Writer
	terminal bool // a line can be overwritten
	width    int
	quiet    bool

	mu    sync.Mutex
	steps map[string]verify.Event
	order []string
	shown bool
	held  bool // something else is drawn in its place
	quit  chan struct{}
	done  chan struct{}
}

// progress starts the display; stop ends it.
func (a *app) progress() *progress {
	p := &progress{
		w: a.env.Stderr, terminal: a.env.StderrTerminal && a.env.Getenv("TERM") != "dumb", width: a.env.StderrWidth, quiet: a.flags.quiet,
		steps: map[string]verify.Event{}, quit: make(chan struct{}), done: make(chan struct{}),
	}
	go p.run()
	return p
}

// event takes a step of the run; it is called from several goroutines.
func (p *progress) event(e verify.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.steps[e.What]; !known {
		p.order = append(p.order, e.What)
	}
	p.steps[e.What] = e
}

// hold clears the display and keeps it so, while something else is shown.
func (p *progress) hold(held bool) {
	if held {
		p.clear()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held, p.shown = held, p.shown && !held
}

func (p *progress) stop() {
	close(p.quit)
	<-p.done
}

func (p *progress) run() {
	defer close(p.done)
	if p.quiet {
		return
	}
	every := progressPlain
	if p.terminal {
		every = progressRefresh
	}
	wait := time.NewTimer(progressDelay)
	defer wait.Stop()
	for {
		select {
		case <-wait.C:
			p.show()
			wait.Reset(every)
		case <-p.quit:
			p.clear()
			return
		}
	}
}

// show writes the state of the steps under way: a bar that is overwritten, or
// a plain line.
func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := p.line()
	if line == "" || p.held {
		return
	}
	p.shown = true
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", cut(line, p.width))
		return
	}
	fmt.Fprintf(p.w, "verify: %s\n", line)
}

func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown && p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// line tells of the first step under way and counts the others. Only that
// step's own amount is shown: amounts of different things do not add up.
func (p *progress) line() string {
	var under []verify.Event
	for _, what := range p.order {
		if e := p.steps[what]; !e.Finished {
			under = append(under, e)
		}
	}
	if len(under) == 0 {
		return ""
	}
	e := under[0]
	name := output.SafeText(shortened(e.What))
	if len(under) > 1 {
		name += fmt.Sprintf(" and %d more", len(under)-1)
	}
	text := amount(e) + "  " + name
	if e.Total > 0 && p.terminal {
		text = bar(e.Done, e.Total) + " " + text
	}
	return text
}

// amount is how much of a step is done.
func amount(e verify.Event) string {
	show := verify.FormatBytes
	if e.Count {
		show = func(n int64) string { return strconv.FormatInt(n, 10) }
	}
	if e.Total > 0 {
		return show(e.Done) + " of " + show(e.Total)
	}
	return show(e.Done)
}

// shortened cuts digests in a name to what tells them apart.
func shortened(name string) string {
	return longHex.ReplaceAllString(name, "$1…")
}

var longHex = regexp.MustCompile(`([0-9a-f]{12})[0-9a-f]{28,}`)

// cut keeps a line within the terminal, so that it can be overwritten.
func cut(line string, width int) string {
	runes := []rune(line)
	if width <= 1 || len(runes) < width {
		return line
	}
	return string(runes[:width-2]) + "…"
}

func bar(done, total int64) string {
	filled := 0
	if total > 0 {
		filled = int(barWidth * min(done, total) / total)
	}
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", barWidth-filled) + "]"
}
