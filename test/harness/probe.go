package harness

import (
	"github.com/brockdb/brock/actors"
)

// Probe stands at the mailbox of one actor: it records what the actor gets and,
// by rules, stands in for it.
//
//	p := h.TableProbe("task_queue")
//	p.On(harness.Flush).Nth(2).Drop()          // the second flush from now on hangs
//	held := p.On(harness.Committed).Hold()     // outcomes of commits come late
//
// A rule stays, over restarts too, until it is lifted. Where several match, the
// oldest decides.
type Probe struct {
	actor string
	all   *probes
}

// TableProbe returns the probe of a table's actor.
func (h *Harness) TableProbe(table string) *Probe {
	return &Probe{actor: actors.TableActor(table), all: h.probes}
}

// BackupProbe returns the probe of the backup actor.
func (h *Harness) BackupProbe() *Probe { return &Probe{actor: actors.BackupActor, all: h.probes} }

// Got returns the newest messages that came to the actor, in their order, whatever
// became of them.
func (p *Probe) Got() []Message {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	return append([]Message(nil), p.all.of(p.actor).got...)
}

// Await waits until the actor has handled a message of the type, one for each
// call: what it handled before the first call counts.
func (p *Probe) Await(m Message) {
	p.all.t.Helper()
	p.all.mu.Lock()
	s := p.all.of(p.actor)
	s.awaited[m]++
	n := s.awaited[m]
	p.all.mu.Unlock()
	if !p.all.await(p.actor, m, n) {
		p.all.t.Fatalf("harness: actor %s handled no %s; it got %v", p.actor, m, p.Got())
	}
}

// Replay puts the newest message of the type into the mailbox once more: a
// duplicate that comes late, to the instance that runs then.
func (p *Probe) Replay(m Message) {
	p.all.t.Helper()
	p.all.mu.Lock()
	again := p.all.of(p.actor).again[m]
	p.all.mu.Unlock()
	if again == nil {
		p.all.t.Fatalf("harness: actor %s got no %s that could be replayed", p.actor, m)
	}
	again()
}

// On begins a rule for every message of the type that comes from now on.
func (p *Probe) On(m Message) *Rule {
	return &Rule{probe: p, message: m}
}

// Rule says what becomes of messages; its last call puts it in force.
type Rule struct {
	probe   *Probe
	message Message
	nth     int
}

// Nth narrows the rule to the nth such message from now on, counted from 1; those
// about which an older rule decides do not count.
func (r *Rule) Nth(n int) *Rule { return &Rule{probe: r.probe, message: r.message, nth: n} }

// Pass lets the message through, as without a rule: to wait until it was handled.
func (r *Rule) Pass() *Fault {
	return r.probe.all.arm(r.fault(func(d actors.Delivery) { d.Handle() }))
}

// Drop loses the message.
func (r *Rule) Drop() *Fault {
	r.mayLack()
	return r.arm(func(actors.Delivery) {})
}

// Refuse answers in the actor's place with the error. Only [Apply], [Flush],
// [Exchange] and [Backup] have somebody who waits for an answer.
func (r *Rule) Refuse(err error) *Fault {
	r.probe.all.t.Helper()
	switch r.message {
	case Apply, Flush, Exchange, Backup:
	default:
		r.probe.all.t.Fatalf("harness: nobody waits for an answer to %s", r.message)
	}
	return r.arm(func(d actors.Delivery) { d.Refuse(err) })
}

// Panic makes the actor crash before it handles the message.
func (r *Rule) Panic() *Fault {
	return r.crash(func(actors.Delivery) { panic("the harness makes the actor crash on " + string(r.message)) })
}

// PanicAfter makes the actor crash when it has just handled the message.
func (r *Rule) PanicAfter() *Fault {
	return r.crash(func(d actors.Delivery) {
		d.Handle()
		panic("the harness makes the actor crash after " + string(r.message))
	})
}

// Twice delivers the message a second time, behind what waits.
func (r *Rule) Twice() *Fault {
	r.mayLack()
	skip := 0 // seconds under way; the actor's
	return r.arm(func(d actors.Delivery) {
		d.Handle()
		if skip > 0 {
			skip--
			return
		}
		skip++
		d.Again()
	})
}

// Hold keeps messages back while the actor goes on with others. They come, late
// and behind what waits then, when the fault is lifted or the hub stopped.
func (r *Rule) Hold() *Fault {
	r.mayLack()
	return r.arm(nil)
}

// arm puts the rule in force. act is nil for holding.
func (r *Rule) arm(act func(actors.Delivery)) *Fault {
	f := r.fault(act)
	f.early = true
	return r.probe.all.arm(f)
}

func (r *Rule) crash(act func(actors.Delivery)) *Fault {
	f := r.fault(act)
	f.early, f.crashes = true, true
	return r.probe.all.arm(f)
}

func (r *Rule) fault(act func(actors.Delivery)) *Fault {
	return &Fault{all: r.probe.all, actor: r.probe.actor, message: r.message, nth: r.nth, act: act, met: make(chan struct{})}
}

// mayLack fails the test for the messages that protoactor itself relies on.
func (r *Rule) mayLack() {
	r.probe.all.t.Helper()
	if r.message.ofLife() {
		r.probe.all.t.Fatalf("harness: an actor cannot do without, nor with two of, %s", r.message)
	}
}
