package actors

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/brockdb/brock/storage"
)

// tableMsg is a message to a table actor.
type tableMsg interface{ tableMsg() }

type (
	// applyMsg asks for a batch to be committed.
	applyMsg struct {
		ctx   context.Context
		batch storage.Batch
		cost  storage.Cost
		size  int64
		reply reply[storage.Version]
		taken atomic.Bool // by a commit
		done  atomic.Bool // answered
	}
	// tickMsg ends the gathering of a group: it lies behind all that was queued.
	tickMsg struct{ epoch uint64 }
	// committedMsg brings the outcome of the commit in flight.
	committedMsg struct {
		epoch   uint64
		group   []*applyMsg
		version storage.Version
		out     storage.Outcome
		err     error
	}
	// flushMsg asks the table to finish what is in flight and pin the cut.
	flushMsg struct {
		cut     storage.Version
		run     string
		arrived time.Time   // set by the table
		claimed atomic.Bool // by the table that answers or the asker that gave up
		reply   reply[pinned]
	}
	// excuseMsg frees the table from a published cut.
	excuseMsg struct{ cut storage.Version }
	// openedMsg brings the outcome of an open.
	openedMsg struct {
		epoch uint64
		store *storage.Store
		err   error
		// Of a store that does not open: its folder, the last version that it is known
		// to have acknowledged, and its account where that could be read.
		dir  string
		seen storage.Version
		ends storage.Ledger
	}
	// quarantineMsg says that damage was found in a store.
	quarantineMsg struct {
		store *storage.Store
		why   *Quarantine
	}
	// reopenMsg says that it is time to try to open again.
	reopenMsg struct{ epoch uint64 }
	// dueMsg says that records may have expired.
	dueMsg struct{ epoch uint64 }
	// foundDueMsg brings what has.
	foundDueMsg struct {
		epoch uint64
		batch storage.Batch
		next  time.Time
		err   error
	}
	// exchangeMsg asks the table to go on with another store.
	exchangeMsg struct {
		next *storage.Store
		why  string
		// finish brings next up to date while nothing commits, and returns the commit
		// that the exchange itself is, if it is one. old may be nil.
		finish func(old *storage.Store, known storage.Version) (storage.Commit, error)
		reply  reply[exchanged]
	}
	// exchangedMsg brings the outcome of an exchange.
	exchangedMsg struct {
		epoch    uint64
		msg      *exchangeMsg
		replaced string
		err      error
	}
	// stopMsg asks the table to commit what is queued and stop.
	stopMsg struct{}
)

// pinned is a table at a cut: a lease that the receiver must release.
type pinned struct {
	lease *storage.Lease
	image *storage.Image // ends with the lease; nil where the files cannot be pinned
	store *storage.Store
	pause time.Duration
}

// exchanged is what an exchange did.
type exchanged struct {
	old      *storage.Store
	replaced string // folder of the store that was replaced, "" where there was none
}

func (*applyMsg) tableMsg()      {}
func (*tickMsg) tableMsg()       {}
func (*committedMsg) tableMsg()  {}
func (*flushMsg) tableMsg()      {}
func (*excuseMsg) tableMsg()     {}
func (*openedMsg) tableMsg()     {}
func (*quarantineMsg) tableMsg() {}
func (*reopenMsg) tableMsg()     {}
func (*dueMsg) tableMsg()        {}
func (*foundDueMsg) tableMsg()   {}
func (*exchangeMsg) tableMsg()   {}
func (*exchangedMsg) tableMsg()  {}
func (*stopMsg) tableMsg()       {}

var (
	errOpening = errors.New("it is being opened")
	errCrashed = errors.New("its actor crashed and starts again")
)

// damageDetail is the detail of a corruption_detected event.
func damageDetail(table string, err error) any {
	d := struct {
		Table  string `json:"table"`
		File   string `json:"file"`
		Offset int64  `json:"offset"`
		Error  string `json:"error"`
	}{Table: table, Error: err.Error()}
	var damage *storage.DamageError
	if errors.As(err, &damage) {
		d.File, d.Offset = damage.File, damage.Offset
	}
	return d
}
