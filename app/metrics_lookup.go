package app

import (
	"sync"
	"time"
)

const (
	lookupFor    = 5 * time.Second // how long scrapes go by one look-up, unless something happens
	lookupWithin = time.Second     // how long a scrape waits for a disk that does not answer
)

// lookup is what a scrape needs a disk for.
type lookup struct {
	health Health
	vault  vaultFigures
	disks  []diskRoom
	broken bool // the change log
}

// vaultFigures are what the vault told when it last answered.
type vaultFigures struct {
	at     time.Time // the zero time: never
	backup *time.Time
	tables []TableHealth // of which the snapshots and proofs count
}

type diskRoom struct {
	dir        string // data or vault
	free, size uint64 // in bytes
}

// lookups keeps the newest look-up for all scrapes. One is under way at a time.
type lookups struct {
	mu     sync.Mutex
	newest *lookup
	until  time.Time     // newest is good; by the machine's clock: it only spares work
	under  chan struct{} // closed when the one under way has ended; nil: there is none
}

// forget makes the next scrape look again: something has happened.
func (l *lookups) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Time{}
}

// latest returns figures that are fresh, or what was known before where the disk does
// not answer, or nil.
func (l *lookups) latest(h *Hub) *lookup {
	l.mu.Lock()
	if l.under == nil && !time.Now().Before(l.until) {
		l.start(h)
	}
	under := l.under
	l.mu.Unlock()
	if under != nil {
		patience := time.NewTimer(lookupWithin)
		defer patience.Stop()
		select {
		case <-under:
		case <-patience.C:
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}

// start begins a look-up, unless the hub closes. The caller holds the lock.
func (l *lookups) start(h *Hub) {
	_, done, err := h.begin(h.life)
	if err != nil {
		return
	}
	under, before := make(chan struct{}), l.newest
	l.under, l.until = under, time.Now().Add(lookupFor) // what happens from now on ends that early
	go func() {
		defer done()
		found := h.lookUp(before)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.newest, l.under = found, nil
		close(under)
	}()
}

// lookUp looks at the disks. What the vault does not tell now is as it was before.
func (h *Hub) lookUp(before *lookup) *lookup {
	out := &lookup{health: h.Health(h.life)}
	if out.health.vaultKnown {
		out.vault = vaultFigures{at: h.cfg.Wall.Now().Add(-out.health.vaultHangs), backup: out.health.LastBackupAt, tables: out.health.Tables}
	} else if before != nil {
		out.vault = before.vault
	}
	for dir, path := range map[string]string{"data": h.cfg.Data, "vault": h.cfg.Vault} {
		if dir == "vault" && out.health.vaultHangs > 0 {
			continue // it would hang here, too
		}
		if free, size, err := h.cfg.Hooks.Free(path); err == nil {
			out.disks = append(out.disks, diskRoom{dir, free, size})
		}
	}
	_, err := h.fs().Stat(h.path(breaksFile))
	out.broken = err == nil
	return out
}
