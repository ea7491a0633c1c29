package cli

import (
	"fmt"
	"io"
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
	terminal bool
	quiet    bool

	mu    sync.Mutex
	steps map[string]verify.Event
	order []string
	shown bool
	quit  chan struct{}
	done  chan struct{}
}

// progress starts the display; stop ends it.
func (a *app) progress() *progress {
	p := &progress{
		w: a.env.Stderr, terminal: a.env.StderrTerminal, quiet: a.flags.quiet,
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
	if line == "" {
		return
	}
	p.shown = true
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
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

// line sums up the steps under way: the first one's name, and all their bytes.
func (p *progress) line() string {
	var done, total int64
	var names []string
	for _, what := range p.order {
		e := p.steps[what]
		done += e.Done
		total += max(e.Total, e.Done)
		if !e.Finished {
			names = append(names, what)
		}
	}
	if len(names) == 0 {
		return ""
	}
	name := output.SafeText(names[0])
	if len(names) > 1 {
		name += fmt.Sprintf(" and %d more", len(names)-1)
	}
	amount := verify.FormatBytes(done)
	if total > done {
		amount += " of " + verify.FormatBytes(total)
	}
	if !p.terminal {
		return name + ": " + amount
	}
	return bar(done, total) + " " + amount + "  " + name
}

func bar(done, total int64) string {
	filled := 0
	if total > 0 {
		filled = int(barWidth * min(done, total) / total)
	}
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", barWidth-filled) + "]"
}
