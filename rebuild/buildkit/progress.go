package buildkit

import (
	"context"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
)

// Display shows a build while it goes.
type Display interface {
	// Begin gives where the build is drawn, as docker build does on a terminal
	// and in lines elsewhere, and what to call when it has ended. A nil writer
	// shows nothing.
	Begin() (w io.Writer, end func())
}

// show writes a build's progress into its log, and onto the display. The second
// channel gives the name of the step that failed, "" for none, when all was
// shown.
func show(ctx context.Context, log io.Writer, d Display) (chan *client.SolveStatus, <-chan string) {
	in, shown := make(chan *client.SolveStatus), make(chan string, 1)
	outputs := []*output{begin(ctx, log, progressui.PlainMode)}
	end := func() {}
	if d != nil {
		var w io.Writer
		if w, end = d.Begin(); w != nil {
			outputs = append(outputs, begin(ctx, w, progressui.AutoMode))
		}
	}
	go func() {
		failed := ""
		for s := range in {
			for _, v := range s.Vertexes {
				if v.Error != "" && !strings.HasSuffix(v.Error, "context canceled") {
					failed = v.Name
				}
			}
			clean(s)
			for _, o := range outputs {
				copied := *s
				o.in <- &copied
			}
		}
		for _, o := range outputs {
			close(o.in)
			<-o.done
		}
		end()
		shown <- failed
	}()
	return in, shown
}

// clean takes from what a build says whatever could do more to a terminal than
// be read there.
func clean(s *client.SolveStatus) {
	for _, v := range s.Vertexes {
		v.Name, v.Error = readable(v.Name), readable(v.Error)
	}
	for _, l := range s.Logs {
		l.Data = []byte(readable(string(l.Data)))
	}
	for _, v := range s.Statuses {
		v.ID, v.Name = readable(v.ID), readable(v.Name)
	}
	for _, w := range s.Warnings {
		w.Short = []byte(readable(string(w.Short)))
		for i := range w.Detail {
			w.Detail[i] = []byte(readable(string(w.Detail[i])))
		}
	}
}

func readable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return r
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError:
			return '\ufffd'
		}
		return r
	}, text)
}

// output is one place where progress is shown.
type output struct {
	in   chan *client.SolveStatus
	done chan struct{}
}

func begin(ctx context.Context, w io.Writer, mode progressui.DisplayMode) *output {
	o := &output{make(chan *client.SolveStatus), make(chan struct{})}
	go func() {
		defer close(o.done)
		if display, err := progressui.NewDisplay(w, mode); err == nil {
			// What ends the build ends the channel: the last lines are shown too.
			_, _ = display.UpdateFrom(context.WithoutCancel(ctx), o.in)
		}
		for range o.in { // a display that gave up holds up nobody
		}
	}()
	return o
}
