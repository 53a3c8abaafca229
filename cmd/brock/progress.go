package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// stages are the hub's words for the work that an endpoint does.
var stages = map[string]string{"backup": "copy", "restore": "restore", "drill": "drill", "verify": "verify"}

// askSlowly is ask for what may take a while: it shows how far the hub is, where
// somebody looks.
func (c *cli) askSlowly(ctx context.Context, role bus.Role, endpoint string, req, out any) (err error) {
	a, err := c.connect(ctx, role)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	defer c.showProgress(ctx, a, stages[endpoint])()
	return a.ask(ctx, endpoint, req, out)
}

// showProgress draws what the hub reports of a stage until the returned function is
// called. Without progress all else works, so that its errors are nobody's concern.
func (c *cli) showProgress(ctx context.Context, a asker, stage string) (end func()) {
	hub, ok := a.(*online)
	if !ok || !c.errLook.terminal {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	sub, err := hub.client.Progress(ctx)
	if err != nil {
		return cancel
	}
	var drawing sync.WaitGroup
	drawing.Go(func() {
		b := c.newBars()
		defer b.end()
		for p := range sub.C() {
			if p.Stage == stage {
				b.show(p.Table, p.Done, p.Total)
			}
		}
	})
	return func() { cancel(); drawing.Wait() }
}

// bars draws a bar for each piece of work, and removes them in the end. Where nobody
// looks it draws nothing. It is for one goroutine.
type bars struct {
	p      *mpb.Progress // nil: nobody looks
	byName map[string]*mpb.Bar
}

func (c *cli) newBars() *bars {
	b := &bars{byName: map[string]*mpb.Bar{}}
	if c.errLook.terminal {
		b.p = mpb.New(mpb.WithOutput(c.err), mpb.WithAutoRefresh(), mpb.WithWidth(48))
	}
	return b
}

// show says how many bytes of a piece of work are done; a total of 0 is unknown.
func (b *bars) show(name string, done, total int64) {
	if b.p == nil {
		return
	}
	bar := b.byName[name]
	if bar == nil {
		bar = b.p.New(max(total, 0), mpb.BarStyle().Lbound("").Rbound("").Filler("━").Tip("━").Padding("─"), decorators(name, total)...)
		b.byName[name] = bar
	}
	if total > 0 { // an estimate, which may grow
		bar.SetTotal(max(total, done), false)
	}
	bar.SetCurrent(done)
}

// decorators are name, bytes, rate and time left.
func decorators(name string, total int64) []mpb.BarOption {
	left := mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR))
	speed := decor.Any(speedSince(time.Now()), decor.WCSyncSpace)
	if total <= 0 {
		return []mpb.BarOption{left, mpb.BarFillerClearOnComplete(), mpb.AppendDecorators(decor.Any(sizes, decor.WCSyncSpace), speed)}
	}
	return []mpb.BarOption{left, mpb.BarRemoveOnComplete(), mpb.AppendDecorators(
		decor.Any(sizes, decor.WCSyncSpace), speed, decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace), decor.Name(" left"))}
}

// sizes are the bytes done, of how many where that is known.
func sizes(s decor.Statistics) string {
	if s.Total <= 0 {
		return size(s.Current)
	}
	return size(s.Current) + " / " + size(s.Total)
}

// speedSince is the average one, which stands still when the work is done.
func speedSince(began time.Time) decor.DecorFunc {
	last := ""
	return func(s decor.Statistics) string {
		if passed := time.Since(began).Seconds(); passed > 0 && (last == "" || !s.Completed && !s.Aborted) {
			last = size(int64(float64(s.Current)/passed)) + "/s"
		}
		return last
	}
}

// end removes the bars.
func (b *bars) end() {
	if b.p == nil {
		return
	}
	for _, bar := range b.byName {
		bar.Abort(true)
	}
	b.p.Wait()
}
