package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

const (
	pastsMost = 4 // stores of the past, each as large as the table was
	pastIdle  = 5 * time.Minute
)

// pasts are the views on the past that are open, and the stores that were built of
// it, in the scratch folder. One that nobody looks at is removed after a while, or
// when room is needed; what a kill leaves the next start sweeps.
type pasts struct {
	dir  string
	opts storage.Options
	wall actors.Wall
	log  *slog.Logger

	mu     sync.Mutex
	views  map[*PastTable]struct{}
	stores []*pastStore
	gone   bool
	ending sync.WaitGroup // removals under way
}

// pastStore is a table as it was from one version to another, at which it had the
// same commits.
type pastStore struct {
	table    string
	from, to storage.Version
	dir      string
	store    *storage.Store

	users int
	left  time.Time // when the last user did
	timer interface{ Stop() bool }
	built chan struct{} // closed when store or err is set
	err   error
}

func newPasts(dir string, cfg Config, now func() Version) *pasts {
	return &pasts{dir: dir, wall: cfg.Wall, log: cfg.Logger, views: map[*PastTable]struct{}{},
		opts: storage.Options{Logger: cfg.Logger, MinFree: -1, Now: now}}
}

// show counts a view in, so that the hub's close ends it.
func (p *pasts) show(t *PastTable) (*PastTable, error) {
	p.mu.Lock()
	gone := p.gone
	if !gone {
		p.views[t] = struct{}{}
	}
	p.mu.Unlock()
	free := t.free
	t.free = func() {
		p.mu.Lock()
		delete(p.views, t)
		p.mu.Unlock()
		free()
	}
	if gone {
		t.Close()
		return nil, fmt.Errorf("table %s: %w", t.name, ErrClosed)
	}
	return t, nil
}

// take returns a store of the table as it was, from those that are there or newly
// built. Whoever takes it gives it back.
func (p *pasts) take(ctx context.Context, table string, at storage.Version, find findSource) (*pastStore, error) {
	for {
		if s := p.known(table, at); s != nil {
			return s, nil
		}
		src, err := find(ctx, table)
		if err != nil {
			return nil, err
		}
		s, mine, err := p.enter(table, src.ledger.Version, at)
		if err != nil {
			src.release()
			return nil, err
		}
		if mine {
			p.build(ctx, s, src.build)
		}
		src.release()
		select {
		case <-s.built:
		case <-ctx.Done():
			p.giveBack(s)
			return nil, ctx.Err()
		}
		if s.err == nil {
			return s, nil
		}
		p.giveBack(s)
		gaveUp := errors.Is(s.err, context.Canceled) || errors.Is(s.err, context.DeadlineExceeded)
		if mine || !gaveUp { // else another one did, not we
			return nil, s.err
		}
	}
}

// known returns a store that was built and has the moment.
func (p *pasts) known(table string, at storage.Version) *pastStore {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.stores {
		if s.store != nil && s.table == table && s.from <= at && at <= s.to {
			s.use()
			return s
		}
	}
	return nil
}

// enter returns the store of the table as its commit at from left it, and whether the
// caller has to build it. It is still so at the moment.
func (p *pasts) enter(table string, from, at storage.Version) (s *pastStore, mine bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return nil, false, fmt.Errorf("table %s: %w", table, ErrClosed)
	}
	for _, s := range p.stores {
		if s.table == table && s.from == from {
			s.to = max(s.to, at)
			s.use()
			return s, false, nil
		}
	}
	if err := p.makeRoom(table); err != nil {
		return nil, false, err
	}
	s = &pastStore{table: table, from: from, to: at, users: 1, built: make(chan struct{}),
		dir: filepath.Join(p.dir, disk.TempPrefix+"past-"+table+"-"+rand.Text())}
	p.stores = append(p.stores, s)
	return s, true, nil
}

// makeRoom removes the store that nobody has used for the longest time, where there
// are many. The caller holds the lock.
func (p *pasts) makeRoom(table string) error {
	if len(p.stores) < pastsMost {
		return nil
	}
	var oldest *pastStore
	for _, s := range p.stores {
		if s.users == 0 && (oldest == nil || s.left.Before(oldest.left)) {
			oldest = s
		}
	}
	if oldest == nil {
		return fmt.Errorf("table %s: %w: %d pasts are looked at; close one, or try again later", table, ErrOverloaded, len(p.stores))
	}
	p.remove(oldest)
	return nil
}

func (p *pasts) build(ctx context.Context, s *pastStore, build func(context.Context, string) error) {
	store, err := func() (*storage.Store, error) {
		if err := build(ctx, s.dir); err != nil {
			return nil, err
		}
		return storage.Open(s.dir, s.table, p.opts)
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.store, s.err = store, err; err == nil && p.gone {
		s.err = fmt.Errorf("table %s: %w", s.table, ErrClosed)
	}
	if s.err != nil {
		p.remove(s)
	}
	close(s.built)
}

// use counts a user in. The caller holds the lock.
func (s *pastStore) use() {
	if s.users++; s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// giveBack counts a user out; after the last one the store waits for others a while.
func (p *pasts) giveBack(s *pastStore) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.users--; s.users > 0 || p.gone || s.err != nil {
		return
	}
	s.left = p.wall.Now()
	var timer interface{ Stop() bool }
	timer = p.wall.AfterFunc(pastIdle, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s.timer == timer {
			p.remove(s)
		}
	})
	s.timer = timer
}

// remove takes the store out, and closes and removes it in the background. The caller
// holds the lock.
func (p *pasts) remove(s *pastStore) {
	i := slices.Index(p.stores, s)
	if i < 0 {
		return
	}
	p.stores = slices.Delete(p.stores, i, i+1)
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	p.ending.Go(func() {
		var err error
		if s.store != nil {
			ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
			defer cancel()
			err = s.store.Close(ctx)
		}
		if err = errors.Join(err, os.RemoveAll(s.dir)); err != nil {
			p.log.Warn("a past that nobody looks at cannot be removed; the next start does", "table", s.table, "dir", s.dir, "err", err)
		}
	})
}

// close ends all views and begins to remove all stores; those under way are removed
// by who builds them. Wait for ending when all work is done.
func (p *pasts) close() {
	p.mu.Lock()
	p.gone = true
	var views []*PastTable
	for t := range p.views {
		views = append(views, t)
	}
	for _, s := range slices.Clone(p.stores) {
		if s.store != nil {
			p.remove(s)
		}
	}
	p.mu.Unlock()
	for _, t := range views {
		t.Close()
	}
}
