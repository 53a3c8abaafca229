//go:build linux

package disks

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
)

const childVar = "BROCK_DISKS_CHILD"

// order is what a child gets told.
type order struct {
	Data, Vault string
	Tables      []string
	MinFree     int64
	User        int // to become; 0: root
	Offline     bool
}

func (o order) config() app.Config {
	return app.Config{Data: o.Data, Vault: o.Vault, Tables: o.Tables, MinFree: o.MinFree, Offline: o.Offline, HTTPAddr: "127.0.0.1:0",
		Schedule: "off", CompactEvery: -1, LogInterval: 20 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
}

// question is one call of the hub.
type question struct {
	ID    int
	Do    string
	Table string
	Key   string
	Value []byte
	At    string
}

// answer is what the hub said.
type answer struct {
	ID      int
	Error   string
	Code    string   // as on every road
	Is      []string // the exported errors that it matches
	Text    string
	Records map[string]string
	Words   []string
	Status  string
	NATS    string
	HTTP    string
}

var exported = map[string]error{
	"ErrNoSpace": app.ErrNoSpace, "ErrUnavailable": app.ErrUnavailable, "ErrDamaged": app.ErrDamaged, "ErrQuarantined": app.ErrQuarantined,
	"ErrUnknownOutcome": app.ErrUnknownOutcome, "ErrClosed": app.ErrClosed, "ErrLost": app.ErrLost, "ErrNotFound": app.ErrNotFound,
	"ErrGap": app.ErrGap, "ErrNoSnapshot": app.ErrNoSnapshot,
}

// say fills in how the call failed.
func (a *answer) say(err error) {
	if err == nil {
		return
	}
	a.Error, a.Code = err.Error(), remote.Error(err).Code
	for name, e := range exported {
		if errors.Is(err, e) {
			a.Is = append(a.Is, name)
		}
	}
}

// child runs a hub and answers questions until its input ends.
func child(told string) {
	var o order
	if err := json.Unmarshal([]byte(told), &o); err != nil {
		panic(err)
	}
	if o.User != 0 {
		for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(o.User), syscall.Setuid(o.User)} {
			if err != nil {
				panic(err)
			}
		}
	}
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	reply := func(a answer) {
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(a)
	}
	ctx := context.Background()
	hub, err := app.Open(ctx, o.config())
	first := answer{}
	first.say(err)
	if err != nil {
		reply(first)
		return
	}
	first.NATS, first.HTTP = hub.NATSURL(), hub.HTTPURL()
	events := &eventList{}
	go events.follow(ctx, hub)
	reply(first)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		if q.Do == "close" {
			a := answer{ID: q.ID}
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			a.say(hub.Close(ctx))
			cancel()
			reply(a)
			return
		}
		go func() {
			a := answer{ID: q.ID}
			a.say(q.ask(ctx, hub, events, &a))
			reply(a)
		}()
	}
}

func (q question) ask(ctx context.Context, hub *app.Hub, events *eventList, a *answer) (err error) {
	var table *app.Table
	if q.Table != "" {
		if table, err = hub.Table(q.Table); err != nil {
			return err
		}
	}
	switch q.Do {
	case "put":
		_, err = table.Put(ctx, []byte(q.Key), q.Value)
	case "get":
		var r app.Record
		r, err = table.Get(ctx, []byte(q.Key))
		a.Text = string(r.Value)
	case "scan":
		a.Records = map[string]string{}
		for r, e := range table.Scan(ctx, app.Range{}) {
			if e != nil {
				return e
			}
			a.Records[string(r.Key)] = digest(r.Value)
		}
	case "backup":
		var run app.Run
		run, err = hub.Backup(ctx, tables(q.Table)...)
		a.Status = string(run.Status)
	case "verify":
		_, err = hub.Verify(ctx)
	case "drill":
		_, err = hub.Drill(ctx, tables(q.Table)...)
	case "compact":
		_, err = hub.Compact(ctx, tables(q.Table)...)
	case "restore":
		_, err = hub.Restore(ctx, app.RestoreRequest{Tables: []string{q.Table}, At: q.At})
	case "health":
		h := hub.Health(ctx)
		a.Status, a.Words = string(h.Status), h.Conditions
	case "events":
		a.Words = events.all()
	default:
		err = fmt.Errorf("no such question: %s", q.Do)
	}
	return err
}

func tables(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

// eventList holds what the hub has announced.
type eventList struct {
	mu   sync.Mutex
	list []string
}

func (l *eventList) follow(ctx context.Context, hub *app.Hub) {
	for e, err := range hub.Events(ctx, time.UnixMilli(1)) {
		if err != nil {
			return
		}
		l.mu.Lock()
		l.list = append(l.list, string(e.Type)+" "+string(e.Detail))
		l.mu.Unlock()
	}
}

func (l *eventList) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.list...)
}
