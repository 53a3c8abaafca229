package actors

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/brockdb/brock/storage"
)

// Badger can end the process while it opens a store, or soon after, when it compacts. So
// a note lies in a table's folder until the table has served for settleAfter. Tables in
// which a start finds one are suspects: they are opened first, one by one, each after a
// check of every byte. A suspect whose open ended the process, or that has been one for
// long, is watched: the next table waits until it has settled.
//
// A note alone is no damage, for every kill leaves some. Damage is what a table has that
// was opened alone and ended the process fatalDeaths times in a row.
const (
	settleAfter = 2 * time.Second
	watchedFrom = 3 // starts in a row that found its note
	fatalDeaths = 3
)

// opening is what a table knows of its opens. turn and pass are set before there are
// actors; dirMu guards the rest.
type opening struct {
	turn    <-chan struct{} // closed when the first open may begin
	pass    func()          // lets the next suspect begin, or where this was the last one all others
	passed  bool            // it was called
	suspect bool
	found   storage.Opening // what the process before left; a zero one where it left none
	noted   bool            // a note of this process lies in the folder
}

var atOnce = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()

// arrangeOpens looks for notes and orders the tables' first opens: suspects one after
// the other, the likeliest first, then all others at once.
func arrangeOpens(tables []*TableRef) {
	var suspects, others []*table
	for _, r := range tables {
		o := &r.t.opening
		if o.found, o.suspect = storage.FindOpening(r.t.cfg.FS, r.t.conf.Dir); o.suspect {
			suspects = append(suspects, r.t)
		} else {
			others = append(others, r.t)
		}
	}
	slices.SortStableFunc(suspects, func(a, b *table) int {
		x, y := a.opening.found, b.opening.found
		return cmp.Or(cmp.Compare(y.Deaths, x.Deaths), cmp.Compare(y.Found, x.Found))
	})
	turn := atOnce
	for _, t := range suspects {
		done := make(chan struct{})
		t.opening.turn, t.opening.pass = turn, sync.OnceFunc(func() { close(done) })
		turn = done
		t.log.Warn("the process before ended when this table was opened, or soon after; it is opened alone now, after a check of all of it",
			"starts", t.opening.found.Found, "deaths", t.opening.found.Deaths)
	}
	for _, t := range others {
		t.opening.turn, t.opening.pass = turn, func() {}
	}
}

// awaitTurn waits until the table may be opened.
func (t *table) awaitTurn() error {
	select {
	case <-t.opening.turn:
		return nil
	case <-t.stopped:
		return fmt.Errorf("table %s: %w", t.conf.Name, storage.ErrClosed)
	}
}

// watched says whether nobody else may open a table before this one has settled.
func (o *opening) watched() bool {
	return o.suspect && (o.found.Deaths > 0 || o.found.Found >= watchedFrom)
}

// beginOpening leaves the note of an open, and says with which options a suspect is
// opened, or why it is not. The caller holds dirMu.
func (t *table) beginOpening(opts storage.Options) (storage.Options, error) {
	o := &t.opening
	if o.suspect && !t.dir.Concerns(o.found) { // but a store that was replaced since
		o.found, o.suspect = storage.Opening{}, false
	}
	if o.suspect {
		if err := t.mayOpen(opts); err != nil {
			return opts, err
		}
	}
	if o.noted {
		return opts, nil
	}
	note := o.found
	note.Alone, note.Since = o.suspect && !o.passed, t.cfg.Wall.Now().UTC()
	if err := t.dir.NoteOpening(note); err != nil {
		t.log.Warn("it cannot be noted that the table is opened", "err", err)
	} else {
		o.noted = true
	}
	if o.suspect {
		opts.CheckBudget = storage.CheckAll
	}
	return opts, nil
}

// mayOpen refuses a suspect that has ended the process too often. A full disk ends
// processes as well: there it is not tried, and what was counted is forgotten.
func (t *table) mayOpen(opts storage.Options) error {
	o := &t.opening
	if err := opts.EnoughSpace(t.conf.Dir, t.conf.Name); err != nil {
		o.found.Found, o.found.Deaths = 1, 0
		return fmt.Errorf("%w; the process ended when the table was opened, so it waits for that", err)
	}
	if o.found.Deaths < fatalDeaths {
		return nil
	}
	return &storage.DamageError{Table: t.conf.Name, File: t.dir.Current(), Problem: fmt.Sprintf(
		"the process died %d times while it was opened, with no other table to die of; restore the table", o.found.Deaths)}
}

// endOpening follows an open. The caller holds dirMu.
func (t *table) endOpening(err error) {
	o := &t.opening
	switch {
	case err != nil:
		t.dropNote()
	case o.watched():
		return // settled lets the next one begin
	case o.suspect && o.noted:
		note := o.found
		note.Alone, note.Opened, note.Since = true, true, t.cfg.Wall.Now().UTC()
		if err := t.dir.NoteOpening(note); err != nil {
			t.log.Warn("it cannot be noted that the table was opened", "err", err)
		}
	}
	t.passTurn()
}

// settled is when the table has served for a while, or was closed well.
func (t *table) settled() {
	t.dirMu.Lock()
	defer t.dirMu.Unlock()
	t.opening.found, t.opening.suspect = storage.Opening{}, false
	t.dropNote()
	t.passTurn()
}

// storeReplaced follows a swap: what was noted is about the store that was. The caller
// holds dirMu.
func (t *table) storeReplaced() {
	t.opening.found, t.opening.suspect, t.opening.noted = storage.Opening{}, false, true
	t.dropNote()
}

// dropNote takes this process's note away. The caller holds dirMu.
func (t *table) dropNote() {
	if !t.opening.noted {
		return
	}
	t.opening.noted = false
	if err := storage.ForgetOpening(t.cfg.FS, t.conf.Dir); err != nil {
		t.log.Warn("the note of the table's opening cannot be removed", "err", err)
	}
}

func (t *table) passTurn() {
	t.opening.passed = true
	t.opening.pass()
}
