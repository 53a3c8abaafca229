package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
)

// trouble is something that is done again and again.
type trouble struct {
	name string
	next time.Time
	wait func() time.Duration
	do   func()
}

// troubles are what the issue of an hour is: snapshots each half minute, a look at the
// past each minute, and at random moments compactions, restores and kills. A shorter
// time has as many of each.
func (s *soak) troubles(total, life time.Duration) []*trouble {
	scale := min(1, total.Minutes()/10)
	every := func(d time.Duration) func() time.Duration {
		return func() time.Duration { return time.Duration(float64(d) * scale) }
	}
	random := func(d time.Duration) func() time.Duration {
		return func() time.Duration { return time.Duration((0.5 + s.rng.Float64()) * float64(d) * scale) }
	}
	kill := &trouble{name: "kill", wait: random(time.Duration(float64(life) / scale)), do: s.kill}
	all := []*trouble{
		{name: "backup", wait: every(30 * time.Second), do: func() { s.ask(command{Do: "backup"}) }},
		{name: "look", wait: every(60 * time.Second), do: s.look},
		{name: "compact", wait: random(45 * time.Second), do: func() { s.ask(command{Do: "compact", Table: tableName(s.rng.IntN(tableCount))}) }},
		{name: "restore", wait: random(75 * time.Second), do: s.restore},
		{name: "verify", wait: every(10 * time.Minute), do: func() { s.ask(command{Do: "verify"}) }},
		kill,
	}
	return all
}

// phase lets time go by, with its troubles.
func (s *soak) phase(name string, length time.Duration, troubles []*trouble) {
	p := phase{name: name, from: time.Now(), took: histogram{}}
	s.phases = append(s.phases, p)
	for _, tr := range troubles {
		tr.next = p.from.Add(tr.wait())
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := p.from.Add(length)
	for time.Now().Before(end) {
		select {
		case l, ok := <-s.lines:
			require.True(s.t, ok, "the hub's process has ended by itself")
			s.heard(l)
		case l := <-s.looked:
			s.saw(l)
		case now := <-tick.C:
			for _, tr := range troubles {
				if now.After(tr.next) && now.Add(time.Second).Before(end) {
					tr.do()
					tr.next = time.Now().Add(tr.wait())
				}
			}
		}
	}
	s.settle()
	s.phases[len(s.phases)-1].to = time.Now()
}

// last is a look and a kill, so that the shortest soak has both.
func (s *soak) last() {
	for s.look(); s.busy["look"] == 0; s.look() {
		s.heard(s.next())
	}
	s.settle()
	s.kill()
	s.settle()
	s.phases[len(s.phases)-1].to = time.Now()
}

// settle waits for the commands under way.
func (s *soak) settle() {
	for len(s.busy) > 0 {
		s.heard(s.next())
	}
	for s.comparing > 0 {
		select {
		case l := <-s.looked:
			s.saw(l)
		case l, ok := <-s.lines:
			require.True(s.t, ok, "the hub's process has ended by itself")
			s.heard(l)
		}
	}
}

// saw is told of a look at the past.
func (s *soak) saw(l look) {
	require.NoError(s.t, l.err)
	s.comparing--
	s.looks++
	s.compared += l.records
	s.lookTook = append(s.lookTook, l.took)
	s.t.Logf("%s: %d acknowledged, %d kills, %d backups; the hub at %d restored in %v: %d tables, %d records as they were",
		time.Since(s.began).Round(time.Second), s.acked, s.kills, s.backups, l.at, l.took.Round(time.Millisecond), l.tables, l.records)
}

// ask gives a command, unless one of its kind is under way.
func (s *soak) ask(c command) {
	if s.busy[c.Do] > 0 {
		return
	}
	s.busy[c.Do]++
	s.worked[c.Do] = true
	b, err := json.Marshal(c)
	require.NoError(s.t, err)
	_, err = s.in.Write(append(b, '\n'))
	require.NoError(s.t, err)
}

// look restores the whole hub to a moment of the last minutes, into another directory.
func (s *soak) look() {
	at, ok := s.someMoment()
	if ok && s.busy["look"] == 0 {
		s.ask(command{Do: "look", At: at, To: filepath.Join(s.dir, fmt.Sprintf("look-%d", s.rng.Uint32()))})
	}
}

// restore takes a table back by some seconds.
func (s *soak) restore() {
	table := s.rng.IntN(tableCount)
	at, ok := s.someMoment()
	if !ok || s.busy["restore"] > 0 || !s.model.sure(table, at) {
		return
	}
	s.pending[table] = at
	s.ask(command{Do: "restore", Table: tableName(table), At: at})
}

// someMoment is of the last five minutes, and old enough to be in the change log.
func (s *soak) someMoment() (app.Version, bool) {
	now := time.Now()
	for len(s.recent) > 0 && now.Sub(s.recent[0].at) > 5*time.Minute {
		s.recent = s.recent[1:]
	}
	n := 0
	for n < len(s.recent) && now.Sub(s.recent[n].at) > 3*time.Second {
		n++
	}
	if n == 0 {
		return 0, false
	}
	return s.recent[s.rng.IntN(n)].v, true
}

// heard takes in what the process says.
func (s *soak) heard(said any) {
	if a, ok := said.(ack); ok {
		s.acknowledged(a)
		return
	}
	l := said.(line)
	require.Empty(s.t, l.Fail)
	switch {
	case l.Blur != nil:
		b := l.Blur
		s.model.blurs[b.Table] = append(s.model.blurs[b.Table], blur{b.From, b.To})
		for _, a := range b.Heads {
			p := &s.model.writers[a.Writer]
			require.Equal(s.t, p.at(s.pending[b.Table]), a.N, "writer %d after a restore", a.Writer)
			require.NoError(s.t, p.add(b.To, a.N))
		}
		delete(s.pending, b.Table)
	case l.Window != nil:
		s.window(*l.Window, l.Routines)
	case l.Did != nil:
		if s.busy[l.Did.Do]--; s.busy[l.Did.Do] == 0 {
			delete(s.busy, l.Did.Do)
		}
		s.did(*l.Did, l.Result, l.Took)
	}
}

// did is told of a command that has ended well.
func (s *soak) did(c command, result json.RawMessage, took time.Duration) {
	s.note(c.Do)
	switch c.Do {
	case "backup":
		var run app.Run
		require.NoError(s.t, json.Unmarshal(result, &run))
		require.Equal(s.t, app.StatusComplete, run.Status)
		s.backups++
		s.pauses, s.backupTook = append(s.pauses, run.PauseMS), append(s.backupTook, took)
	case "look":
		s.comparing++
		then := s.model.at(c.At)
		go func() { // the hub must not wait for us meanwhile
			l := look{at: c.At, took: took}
			l.tables, l.records, l.err = then.compareDir(context.Background(), c.To, filepath.Join(s.dir, "no-vault"))
			s.looked <- l
		}()
	case "compact":
		s.compactions++
	case "restore":
		s.restores++
	case "verify":
		var r app.Report
		require.NoError(s.t, json.Unmarshal(result, &r))
		require.Empty(s.t, r.Problems)
		s.verified++
	}
}

func (s *soak) note(what string) { s.marks = append(s.marks, mark{time.Now(), what}) }
