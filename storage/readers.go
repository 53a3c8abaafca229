package storage

import (
	"sync"
	"sync/atomic"
)

// readers knows who reads a store and at which version, so that closing waits for
// them and the discard mark never passes them.
//
// Badger in managed mode protects no reader: moving the mark past a reader's
// version can make what it reads vanish. Long reads (scans, pins) are registered.
// Single gets are too many for that: they look at the mark again after reading,
// and read anew if it has passed them.
type readers struct {
	refs    atomic.Int64  // readers, plus closedBit once no more are let in
	ended   atomic.Bool   // long reads end at their next step
	drained chan struct{} // closed once shut and empty
	empty   sync.Once     // a refused reader passes through zero again

	mu      sync.Mutex
	long    map[*longRead]struct{}
	discard atomic.Uint64
}

type longRead struct{ version Version }

const closedBit = 1 << 40

func (r *readers) init() {
	r.drained = make(chan struct{})
	r.long = map[*longRead]struct{}{}
}

// enter lets a reader in, or says that the store closes.
func (r *readers) enter() bool {
	if r.refs.Add(1) < closedBit {
		return true
	}
	r.leave()
	return false
}

func (r *readers) leave() {
	if r.refs.Add(-1) == closedBit {
		r.empty.Do(func() { close(r.drained) })
	}
}

// register lets a long reader in at the version that current names, in one step
// with every change of the discard mark.
func (r *readers) register(current func() Version) (*longRead, bool) {
	if !r.enter() {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &longRead{version: current()}
	r.long[l] = struct{}{}
	return l, true
}

func (r *readers) unregister(l *longRead) {
	r.mu.Lock()
	delete(r.long, l)
	r.mu.Unlock()
	r.leave()
}

// loosen lets the discard mark pass a reader, for which the store still waits.
func (r *readers) loosen(l *longRead) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.version = MaxVersion
}

// shut lets nobody in any more. Call it once.
func (r *readers) shut() {
	if r.refs.Add(closedBit) == closedBit {
		r.empty.Do(func() { close(r.drained) })
	}
}

// raise moves the discard mark to at most v, never past a long reader and never
// back, and hands it to set.
func (r *readers) raise(v Version, set func(uint64)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.long {
		v = min(v, l.version)
	}
	if uint64(v) <= r.discard.Load() {
		return
	}
	r.discard.Store(uint64(v)) // before Badger knows: a get that still sees the old mark is safe
	set(uint64(v))
}
