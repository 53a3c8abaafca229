package harness

import (
	"slices"
	"sync"
	"time"

	"github.com/brockdb/brock/actors"
)

// keptMessages bounds what a probe remembers of one actor.
const keptMessages = 1 << 14

// probes is the one probe in the hub, for all actors.
type probes struct {
	t      TB
	mu     sync.Mutex
	actors map[string]*seen
	faults []*Fault
	// crashing are the faults that made an actor crash which has not started again.
	crashing []*Fault
	more     chan struct{} // closed when a message was handled or held
}

// seen is what one actor got.
type seen struct {
	got     []Message
	handled map[Message]int
	awaited map[Message]int
	again   map[Message]func()
}

func newProbes(t TB) *probes {
	return &probes{t: t, actors: map[string]*seen{}, more: make(chan struct{})}
}

func (p *probes) of(actor string) *seen {
	s := p.actors[actor]
	if s == nil {
		s = &seen{handled: map[Message]int{}, awaited: map[Message]int{}, again: map[Message]func(){}}
		p.actors[actor] = s
	}
	return s
}

// deliver is the hub's [actors.Probe]. It runs inside the actor.
func (p *probes) deliver(d actors.Delivery) {
	m := Message(d.Message)
	handle := d.Handle
	d.Handle = func() { handle(); p.note(d.Actor, m) }
	f := p.decide(d, m)
	switch {
	case f == nil:
		d.Handle()
	case f.act != nil:
		f.act(d)
		if !f.early {
			p.hit(f)
		}
	}
}

// decide records the message and returns the fault that it meets, nil for none.
func (p *probes) decide(d actors.Delivery, m Message) *Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.of(d.Actor)
	if len(s.got) == keptMessages {
		s.got = slices.Delete(s.got, 0, keptMessages/2)
	}
	s.got = append(s.got, m)
	if d.Again != nil {
		s.again[m] = d.Again
	}
	for _, f := range p.faults {
		if !f.takes(d.Actor, m) {
			continue
		}
		if f.act == nil {
			f.held = append(f.held, d.Again)
		}
		if f.early {
			f.hit()
			p.wake()
		}
		return f
	}
	return nil
}

func (p *probes) hit(f *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.hit()
	p.wake()
}

func (p *probes) note(actor string, m Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of(actor).handled[m]++
	if m == Started {
		p.crashing = slices.DeleteFunc(p.crashing, func(f *Fault) bool {
			if f.actor == actor {
				f.meet()
			}
			return f.actor == actor
		})
	}
	p.wake()
}

func (p *probes) wake() {
	close(p.more)
	p.more = make(chan struct{})
}

func (p *probes) handled(actor string, m Message) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of(actor).handled[m]
}

// await waits until the actor has handled n messages of the type.
func (p *probes) await(actor string, m Message, n int) bool {
	return p.until(func() bool { return p.of(actor).handled[m] >= n })
}

// until waits for the condition, which is judged under the lock.
func (p *probes) until(ok func() bool) bool {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !ok() {
		more := p.more
		p.mu.Unlock()
		late := false
		select {
		case <-more:
		case <-timeout.C:
			late = true
		}
		p.mu.Lock()
		if late {
			return ok()
		}
	}
	return true
}

func (p *probes) arm(f *Fault) *Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, f)
	return f
}

// forget drops the messages of a hub that is closed.
func (p *probes) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.actors {
		clear(s.again)
	}
}

// releaseAll lifts the faults that hold messages.
func (p *probes) releaseAll() {
	p.mu.Lock()
	faults := slices.Clone(p.faults)
	p.mu.Unlock()
	for _, f := range faults {
		if f.act == nil {
			f.Lift()
		}
	}
}

// Fault is a [Rule] in force.
type Fault struct {
	all     *probes
	actor   string
	message Message
	nth     int                   // 0: all
	act     func(actors.Delivery) // nil: hold
	early   bool                  // it has met a message before that is handled
	crashes bool                  // it has met one when the actor's next instance has started

	came int // that matched
	hits int
	met  chan struct{} // closed after the first hit
	once sync.Once
	held []func()
}

func (f *Fault) takes(actor string, m Message) bool {
	if f.actor != actor || f.message != m {
		return false
	}
	f.came++
	if f.nth > 0 && f.nth != f.came {
		return false
	}
	return true
}

func (f *Fault) hit() {
	f.hits++
	if f.crashes {
		f.all.crashing = append(f.all.crashing, f)
	} else {
		f.meet()
	}
}

func (f *Fault) meet() { f.once.Do(func() { close(f.met) }) }

// Hits returns how many messages it has met.
func (f *Fault) Hits() int {
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	return f.hits
}

// Met returns a channel that is closed when [Fault.Wait] need not wait.
func (f *Fault) Met() <-chan struct{} { return f.met }

// Wait waits until it has met a message, and if it made the actor crash, until the
// actor's next instance has started.
func (f *Fault) Wait() {
	f.all.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-f.met:
	case <-timeout.C:
		f.all.t.Fatalf("harness: no %s came to actor %s", f.message, f.actor)
	}
}

// Lift ends the fault. What it held goes on, in its order.
func (f *Fault) Lift() {
	f.all.mu.Lock()
	held := f.held
	f.held = nil
	f.all.faults = slices.DeleteFunc(f.all.faults, func(o *Fault) bool { return o == f })
	f.all.mu.Unlock()
	for _, again := range held {
		again()
	}
}
