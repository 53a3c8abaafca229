package vault

import (
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/stretchr/testify/require"
)

func TestWhatATableNeedsOfTheLog(t *testing.T) {
	at := func(days int) storage.Version {
		return storage.VersionAt(epoch.Add(time.Duration(days) * 24 * time.Hour))
	}
	snaps := []Snapshot{{Cut: at(9), baseCut: at(6)}, {Cut: at(6)}, {Cut: at(2)}}
	written := changelog.TableState{Through: at(10), After: storage.Ledger{Commits: 5}}
	idle := changelog.TableState{Through: at(10)}
	gone := changelog.TableState{Through: at(3), After: storage.Ledger{Commits: 5}}
	for _, c := range []struct {
		what  string
		snaps []Snapshot
		st    changelog.TableState
		start storage.Version
		want  storage.Version
	}{
		{"from the snapshot below the window", snaps, written, at(3), at(2)},
		{"all, while the window begins before any snapshot", snaps, written, at(1), 0},
		{"what chains need, of a table that is not served any more", snaps, gone, at(3), at(6)},
		{"its last commits, of one without chains", snaps[2:], gone, at(3), at(2)},
		{"all, where nothing else has it", nil, written, at(3), 0},
		{"nothing, of one that was never written", nil, idle, at(3), storage.MaxVersion},
	} {
		require.Equal(t, c.want, needsLog(c.snaps, c.st, c.start), c.what)
	}
}
