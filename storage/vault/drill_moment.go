package vault

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
)

// Moment is a state of a table that was restored for proof.
type Moment struct {
	Table      string
	At         storage.Version
	Records    uint64
	Bytes      int64 // read from the vault
	DurationMS float64
}

// DrillMoment restores the table as it was at one of the moments that can be
// restored, which pick chooses by a number from 0 to 1, into a folder that it makes
// in scratch and removes again, and proves it: commit by commit and as a whole. ok is
// false where no moment can be restored.
func (v *Vault) DrillMoment(ctx context.Context, table string, pick float64, scratch string) (m Moment, ok bool, err error) {
	ranges, err := v.Restorable(table)
	if err != nil || len(ranges) == 0 {
		return m, false, err
	}
	began := v.now()
	m = Moment{Table: table, At: moment(ranges, pick)}
	p, err := v.Past(ctx, table, m.At)
	if err == nil {
		dir := filepath.Join(scratch, disk.TempPrefix+"drill-"+table+"-"+NewRunID(began))
		err = v.BuildPast(ctx, p, dir, v.drillProgress(table))
		v.removeScratch(table, dir)
	}
	m.Records, m.Bytes, m.DurationMS = p.Ledger.Records, p.Bytes, Millis(v.now().Sub(began))
	if errors.Is(err, ErrNotRestorable) && !v.stillRestorable(table, m.At) {
		return m, false, nil // retention was faster
	}
	if err != nil {
		err = fmt.Errorf("drill of table %s as of %s (version %d): %w", table, m.At.Time().Format(time.RFC3339Nano), m.At, err)
	}
	return m, true, err
}

// moment is the version at the part pick of all ranges together.
func moment(ranges []changelog.Range, pick float64) storage.Version {
	var all float64
	for _, r := range ranges {
		all += float64(r.To - r.From)
	}
	left := pick * all
	for _, r := range ranges {
		if n := float64(r.To - r.From); left <= n {
			return r.From + storage.Version(left)
		} else {
			left -= n
		}
	}
	return ranges[len(ranges)-1].To
}

func (v *Vault) stillRestorable(table string, at storage.Version) bool {
	ranges, err := v.Restorable(table)
	for _, r := range ranges {
		if r.From <= at && at <= r.To {
			return true
		}
	}
	return err != nil
}
