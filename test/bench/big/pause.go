package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/app"
)

// cuts is how many backups the pause is taken from.
const cuts = 100

// pause is how long a cut keeps the table from committing, at 10,000 puts a second.
func (b *bench) pause(ctx context.Context) error {
	var pauses []time.Duration
	err := with(ctx, b.config(), func(h *app.Hub, t *app.Table) error {
		settle()
		put := func(key, value []byte) error { _, err := t.Put(ctx, key, value); return err }
		_, err := paced(ctx, 0, put, func() error {
			for range cuts {
				run, err := h.Backup(ctx)
				if err != nil {
					return err
				}
				pauses = append(pauses, time.Duration(run.PauseMS*float64(time.Millisecond)))
				time.Sleep(50 * time.Millisecond)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	reopen, err := b.reopenPeer()
	if err != nil {
		return err
	}
	row("pause at a cut, 10,000 puts/s: p50, p99 of 100", show(median(pauses))+", "+show(quantile(pauses, 0.99)),
		"close, copy, open "+show(reopen), "", "p99 20 ms")
	return nil
}

// reopenPeer closes, copies and opens the peer.
func (b *bench) reopenPeer() (time.Duration, error) {
	db, err := openPeer(b.peerDir())
	if err != nil {
		return 0, err
	}
	to := filepath.Join(b.dir, "reopen")
	d, err := timed(func() error {
		if err := errors.Join(db.Close(), copyDir(b.peerDir(), to)); err != nil {
			return err
		}
		db, err = openPeer(b.peerDir())
		return err
	})
	if err != nil {
		return d, err
	}
	return d, errors.Join(db.Close(), os.RemoveAll(to))
}
