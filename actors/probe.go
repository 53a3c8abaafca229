package actors

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/brockdb/brock/storage/vault"
)

// Probe sees every message that a table actor or the backup actor is about to
// handle, and decides what becomes of it. It runs inside the actor, so it must not
// block; it may panic, as the actor itself could. It is for tests (see
// test/harness): where a Config has none, messages take no detour.
type Probe func(Delivery)

// Delivery is one message at its actor.
type Delivery struct {
	Actor   string // see [TableActor] and [BackupActor]
	Message string // its type without Msg, such as "apply"; or started, restarting, stopping, stopped
	// Handle lets it through. Call it at most once, before the probe returns. The
	// four messages of an actor's life must be let through.
	Handle func()
	// Again puts the message once more behind all that waits in the mailbox, from
	// any goroutine, also later; nil for the messages of an actor's life.
	Again func()
	// Refuse answers the message with the error, in place of Handle; nil where
	// nobody waits for an answer.
	Refuse func(error)
}

// BackupActor is the backup actor's name in a [Delivery].
const BackupActor = "backup"

// TableActor returns the name of a table's actor in a [Delivery].
func TableActor(table string) string { return "table-" + table }

// messageName returns how a [Delivery] names a message.
func messageName(m any) string {
	_, name, _ := strings.Cut(fmt.Sprintf("%T", m), ".")
	if reflect.TypeOf(m).Elem().PkgPath() == reflect.TypeFor[actor.Started]().PkgPath() {
		return strings.ToLower(name)
	}
	return strings.TrimSuffix(name, "Msg")
}

// probe lets the probe decide about the message.
func (a *tableActor) probe(c actor.Context) {
	d := Delivery{Actor: TableActor(a.conf.Name), Message: messageName(c.Message()), Handle: func() { a.receive(c) }}
	if m, ok := c.Message().(tableMsg); ok {
		a.current = m // a probe that panics stands for an actor that does, before or after
		d.Handle = func() { a.receive(c); a.current = m }
		d.Again = func() { a.send(m) }
		d.Refuse = a.refusal(c, m)
	}
	a.cfg.Probe(d)
	a.current = nil
}

// refusal returns how to answer the message with an error; nil where nobody waits.
func (a *tableActor) refusal(c actor.Context, m tableMsg) func(error) {
	switch m := m.(type) {
	case *applyMsg:
		return func(err error) { a.refuse(m, err) }
	case *exchangeMsg:
		return func(err error) { m.reply.give(exchanged{}, err) }
	case *flushMsg:
		return func(err error) {
			if m.claimed.CompareAndSwap(false, true) {
				m.reply.give(pinned{}, err)
			}
			a.handle(c, &excuseMsg{m.cut})
		}
	}
	return nil
}

// probe lets the probe decide about the message.
func (a *backupActor) probe(c actor.Context) {
	d := Delivery{Actor: BackupActor, Message: messageName(c.Message()), Handle: func() { a.receive(c) }}
	if m, ok := c.Message().(backupMsgs); ok {
		a.current = m
		d.Handle = func() { a.receive(c); a.current = m }
		d.Again = func() { a.send(m) }
		if m, ok := m.(*backupMsg); ok {
			d.Refuse = func(err error) { m.reply.give(vault.Run{}, err) }
		}
	}
	a.cfg.Probe(d)
	a.current = nil
}
