package storage

import (
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Options of a store. The zero value works.
type Options struct {
	// Logger gets what Badger has to say; default slog.Default().
	Logger *slog.Logger
	// MinFree is the free disk space, in bytes, below which writes are refused with
	// [ErrNoSpace], before Badger meets a full disk (which would end the process).
	// Default 256 MiB; a negative value switches the check off.
	MinFree int64
	// Free tells the free bytes below a folder; default disk.Free. Tests replace it.
	Free func(dir string) (uint64, error)
	// Unsynced acknowledges commits before they are synced: they survive the end of
	// the process, but not of the machine. [Store.Sync] makes up for it.
	Unsynced bool
	// LostTail opens a store although its last commits are gone, for [Store.Redo].
	LostTail bool
	// CheckBudget is how long an open may check the content of table files by itself,
	// beyond what it always checks; all of it is for the scrub. Default 250 ms; a
	// negative value leaves it at the checks that are always made, [CheckAll] has no end.
	CheckBudget time.Duration
	// making is for a store that is built or proven, and closed again: Badger leaves its
	// tables as they are, unless there are very many. Reading through some more tables
	// of the highest level costs less than rewriting all that random keys hit. Whoever
	// made its files has checked them: they are not checked again at open.
	making bool
	// Now judges expiry; default the wall clock. A hub hands in its [Clock.Now].
	Now func() Version
}

// CheckAll is the [Options].CheckBudget that lets an open check every byte, for a store
// whose last open did not end well.
const CheckAll = time.Duration(math.MaxInt64)

const (
	memTableBytes = 16 << 20
	// A value-log file is mapped at twice this size. It is left for a new one once
	// it has passed the size, and a transaction holds at most MaxBatchLargeBytes in
	// large values, so a file never outgrows its mapping: growing it in place, with
	// readers on it, is a SIGSEGV.
	valueLogBytes = 32 << 20
)

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MinFree == 0 {
		o.MinFree = 256 << 20
	}
	if o.CheckBudget == 0 {
		o.CheckBudget = 250 * time.Millisecond
	}
	if o.Free == nil {
		o.Free = diskFree
	}
	if o.Now == nil {
		o.Now = func() Version { return VersionAt(time.Now()) }
	}
	return o
}

// badgerOptions are tuned for many small tables in one process, and for knowing
// rather than hoping: every commit synced, blocks checked when a table file is
// opened (with no compression every flipped bit gave a clean error there; checks
// at block reads end the process or cut iterations short without an error).
func badgerOptions(dir string, o Options) badger.Options {
	b := badger.DefaultOptions(dir).
		WithSyncWrites(!o.Unsynced).
		WithDetectConflicts(false).
		WithNumVersionsToKeep(1).
		WithMemTableSize(memTableBytes).
		WithNumMemtables(3).
		WithBaseTableSize(2 << 20).
		WithValueLogFileSize(valueLogBytes).
		WithValueThreshold(largeValue).
		WithVerifyValueChecksum(true).
		WithChecksumVerificationMode(options.OnTableRead).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithNumCompactors(2).
		WithMetricsEnabled(false).
		WithLogger(badgerLog{o.Logger})
	if o.making {
		b = b.WithNumLevelZeroTables(manyTables).WithNumLevelZeroTablesStall(2 * manyTables)
	}
	return b
}

// manyTables is from how many tables of the highest level on a store in the making is
// compacted: enough for all that a snapshot's share of the change log makes.
const manyTables = 32

// badgerLog passes Badger's words on: what it calls info is our debug.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(f string, a ...any)   { l.log.Error("badger: " + line(f, a)) }
func (l badgerLog) Warningf(f string, a ...any) { l.log.Warn("badger: " + line(f, a)) }
func (l badgerLog) Infof(f string, a ...any)    { l.log.Debug("badger: " + line(f, a)) }
func (l badgerLog) Debugf(string, ...any)       {}

func line(f string, a []any) string {
	s := fmt.Sprintf(f, a...)
	for len(s) > 0 && s[len(s)-1] == '\n' {
		s = s[:len(s)-1]
	}
	return s
}
