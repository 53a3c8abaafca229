package changelog

import (
	"sort"
	"sync"

	"github.com/brockdb/brock/storage"
)

// Tap is where one table's commits enter the change log. The table calls Begin
// before it takes a version from the clock and End when the commit is done, one
// commit at a time, and Serve whenever its store changes.
type Tap struct {
	s     *Shipper
	table string

	mu      sync.Mutex
	store   *storage.Store   // nil: the table does not serve
	busy    bool             // a commit is under way
	low     storage.Version  // its version is above this one
	seen    uint64           // number of the newest commit that is known
	buf     []storage.Commit // of what is not shipped, in order, as far as it is in memory
	bytes   int64            // of buf
	shipped storage.Ledger   // as of the newest commit in the log
	through storage.Version  // the log is complete through it
	broken  error            // why the log cannot go on without a break
	sure    bool             // what is known is all that the table has, also where it does not serve now
	hurt    func(*storage.Store, error)
}

// Begin says that a commit is about to take its version.
func (t *Tap) Begin() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.busy, t.low = true, t.s.cfg.Clock.Last()
	t.mu.Unlock()
}

// End says how the commit ended. Nothing was written where c has no version. Its
// slices belong to the log from now on.
func (t *Tap) End(c storage.Commit) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.busy = false
	size := t.take(c)
	t.mu.Unlock()
	if size > 0 {
		t.s.owe(t, size)
	}
}

// take keeps the commit in memory and returns its size. The caller holds the lock.
func (t *Tap) take(c storage.Commit) (size int64) {
	if n := c.Ledger.Commits; c.Ledger.Version > 0 && n > t.seen { // else a reopened store knew it first
		size = sizeOf(c)
		t.buf, t.bytes, t.seen = append(t.buf, c), t.bytes+size, n
	}
	return size
}

// Shipped returns the table's account as of its newest commit in the log.
func (t *Tap) Shipped() storage.Ledger {
	if t == nil {
		return storage.Ledger{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shipped
}

// Through returns the version through which the vault durably holds the table's
// history.
func (t *Tap) Through() storage.Version {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.through
}

// Swapped says that the table goes on with the store s, by the commit c where that
// changed what the table is (a restore): both in one step, so that nothing is shipped
// of the one without the other.
func (t *Tap) Swapped(c storage.Commit, s *storage.Store) {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.busy = false
	size := t.take(c)
	t.serve(s)
	t.mu.Unlock()
	if size > 0 {
		t.s.owe(t, size)
	}
}

// Seen returns the number of the newest commit that is known, in the log or not.
func (t *Tap) Seen() uint64 {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return max(t.seen, t.shipped.Commits)
}

// Unknown says that the commit may or may not be in the store. The log waits until
// the table serves again and the store tells.
func (t *Tap) Unknown() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.busy, t.store, t.sure = false, nil, false
	t.mu.Unlock()
}

// Serve says which store is the table's from now on; nil: none.
func (t *Tap) Serve(s *storage.Store) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.serve(s)
}

// serve: the caller holds the lock.
func (t *Tap) serve(s *storage.Store) {
	if t.store = s; s == nil {
		return
	}
	t.sure = true
	l := s.Ledger()
	if n := len(t.buf); n > 0 && (l.Commits < t.seen || l.Commits == t.seen && l.Version != t.buf[n-1].Ledger.Version) {
		t.s.held.Add(-t.bytes) // what memory has is not what the store has
		t.buf, t.bytes = nil, 0
	}
	if t.seen = l.Commits; t.seen < t.shipped.Commits {
		t.broken = &storage.GapError{Table: t.table, After: l.Version, Until: t.shipped.Version, Problem: "the store ends before the change log"}
	}
	t.s.poke()
}

// whole says whether the memory has all that is not shipped. The caller holds the lock.
func (t *Tap) whole() bool {
	n := uint64(len(t.buf))
	return t.shipped.Commits+n == t.seen && (n == 0 || t.buf[0].Ledger.Commits == t.shipped.Commits+1 && t.buf[n-1].Ledger.Commits == t.seen)
}

// drop lets the memory go: the store has it all. It returns how much it was.
func (t *Tap) drop() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.bytes
	t.buf, t.bytes = nil, 0
	return n
}

// waits says whether anything can be shipped. What a table that does not serve has
// committed can be only if all of it is in memory.
func (t *Tap) waits() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.store == nil {
		return t.broken == nil && len(t.buf) > 0 && t.whole()
	}
	return t.broken != nil || t.seen != t.shipped.Commits
}

// settle takes what was shipped out of the memory and returns its size.
func (t *Tap) settle(st TableState) (freed int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shipped, t.through, t.broken = st.After, max(t.through, st.Through), nil
	n := sort.Search(len(t.buf), func(i int) bool { return t.buf[i].Ledger.Commits > st.After.Commits })
	for _, c := range t.buf[:n] {
		freed += sizeOf(c)
	}
	t.buf, t.bytes = append([]storage.Commit(nil), t.buf[n:]...), t.bytes-freed
	if t.store != nil {
		t.store.Discard(t.through)
	}
	return freed
}

func sizeOf(c storage.Commit) int64 {
	n := int64(storage.LedgerSize)
	for _, e := range c.Changes {
		n += int64(len(e.Key) + len(e.Envelope) + 48)
	}
	return n
}
