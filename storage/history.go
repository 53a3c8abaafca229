package storage

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/dgraph-io/badger/v4"
)

// Commit is a commit of one table as it is read back, from its store or from the
// change log.
type Commit struct {
	// Ledger is the table's account after the commit, whose version is the commit's.
	Ledger Ledger
	// Changes are its records and deletions, each at the commit's version.
	Changes []Entry
	// Restored, when set, says that the commit put the state of the table at that
	// version in its place (0: it became empty). Such a commit has no changes.
	Restored *Version
}

// historyBytes is how much of a history is in memory at once, besides one commit.
const historyBytes = 32 << 20

// History yields the store's commits after the one that left the ledger after, up
// to and with version upTo, oldest first, deletions included: what the change log
// has not got. Each commit is proven whole by its own ledger, and that none is
// missing by their count. Where the store has discarded some of it the error is a
// [GapError]. Memory is bounded; a long history is read in several passes.
//
// Since the ledgers prove it, what Badger read is checked only where they do not: of a
// table file that has rotted the commits before the damage are good.
func (l *Lease) History(after Ledger, upTo Version) iter.Seq2[Commit, error] {
	return func(yield func(Commit, error) bool) {
		upTo = min(upTo, l.Ledger.Version)
		for after.Version < upTo {
			commits, err := l.window(after, upTo)
			if err == nil && len(commits) == 0 {
				if err = l.nextFollows(after, upTo); err == nil {
					return
				}
			}
			for i := 0; err == nil && i < len(commits); i++ {
				c := commits[i]
				if err = l.follows(after, c); err == nil {
					if !yield(c, nil) {
						return
					}
					after = c.Ledger
				}
			}
			if err != nil {
				yield(Commit{}, l.gapOrDamage(err, after.Version))
				return
			}
		}
	}
}

// gapOrDamage tells commits that were discarded from those that damage hides.
func (l *Lease) gapOrDamage(err error, since Version) error {
	if !errors.Is(err, ErrGap) {
		return err
	}
	for _, prefix := range [][]byte{ledgerPrefix, restoredKey, recordPrefix} {
		for _, damage := range l.items(badger.IteratorOptions{Prefix: prefix, SinceTs: uint64(since), AllVersions: true}, nil) {
			if damage != nil {
				return damage
			}
		}
	}
	return err
}

// nextFollows checks that the first commit after upTo is the one that follows, or that
// there was none: that none was found before it is no sign of one that was discarded.
func (l *Lease) nextFollows(after Ledger, upTo Version) error {
	last := l.Ledger.Commits
	if upTo < l.Ledger.Version {
		commits, err := l.ledgersAfter(upTo, MaxVersion)
		if err != nil {
			return err
		}
		if last = after.Commits + 1; len(commits) > 0 {
			last = commits[0].Ledger.Commits - 1
		}
	}
	if last == after.Commits {
		return nil
	}
	return &GapError{Table: l.s.table, After: after.Version, Until: upTo, Problem: "commits were discarded"}
}

// follows checks that c is the commit after the one that left the ledger, and whole.
func (l *Lease) follows(after Ledger, c Commit) error {
	problem := ""
	switch {
	case c.Ledger.Commits != after.Commits+1:
		problem = fmt.Sprintf("commit %d is followed by commit %d", after.Commits, c.Ledger.Commits)
	case c.Ledger.Writes == 0 && c.Restored == nil: // only restores write nothing
		problem = "what was restored is not known any more"
	default:
		problem = c.Ledger.Misses(c.Changes)
	}
	if problem == "" {
		return nil
	}
	for _, e := range c.Changes { // what was discarded is a gap, what does not check out is damage
		if _, wrong := e.Hash(); wrong != "" {
			return l.s.damage(fmt.Sprintf("key %.80q: %s", e.Key, wrong))
		}
	}
	return &GapError{Table: l.s.table, After: after.Version, Until: c.Ledger.Version, Problem: problem}
}

// window reads the first commits after a version, as many as memory is for.
func (l *Lease) window(after Ledger, upTo Version) ([]Commit, error) {
	commits, err := l.ledgersAfter(after.Version, upTo)
	if err != nil || len(commits) == 0 {
		return nil, err
	}
	w := &window{commits: commits, sizes: make([]int, len(commits))}
	o := badger.IteratorOptions{Prefix: recordPrefix, SinceTs: uint64(after.Version), AllVersions: true}
	for item, err := range l.unchecked(o) {
		if err != nil {
			return nil, err
		}
		i := w.find(Version(item.Version()))
		if i < 0 {
			continue
		}
		e := Entry{Key: item.KeyCopy(nil)[1:], Version: Version(item.Version())}
		if !item.IsDeletedOrExpired() {
			if e.Envelope, err = item.ValueCopy(nil); err != nil {
				return nil, l.s.readError(err)
			}
		}
		w.add(i, e)
	}
	return w.commits, nil
}

// ledgersAfter returns the commits of the next minutes without their changes.
func (l *Lease) ledgersAfter(since, upTo Version) (commits []Commit, err error) {
	const enough = 50_000 // changes; a minute is taken whole, for its key holds them newest first
	writes, minute := uint64(0), ""
	o := badger.IteratorOptions{Prefix: ledgerPrefix, SinceTs: uint64(since), AllVersions: true}
	for item, err := range l.unchecked(o) {
		if err != nil {
			return nil, err
		}
		if key := string(item.Key()); key != minute {
			if minute = key; writes >= enough {
				break
			}
		}
		if item.IsDeletedOrExpired() || Version(item.Version()) > upTo {
			continue
		}
		led, err := l.ledgerOf(item)
		if err != nil {
			return nil, err
		}
		writes += led.Writes
		commits = append(commits, Commit{Ledger: led})
	}
	slices.SortFunc(commits, func(a, b Commit) int { return cmp.Compare(a.Ledger.Version, b.Ledger.Version) })
	return commits, l.markRestored(commits, since)
}

func (l *Lease) ledgerOf(item *badger.Item) (led Ledger, err error) {
	err = item.Value(func(b []byte) error {
		var problem string
		if led, problem = DecodeLedger(b); problem == "" && uint64(led.Version) != item.Version() {
			problem = "the ledger's version is not that of its commit"
		}
		if problem != "" {
			return l.s.damage(problem)
		}
		return nil
	})
	return led, err
}

// markRestored finds which of the commits were restores.
func (l *Lease) markRestored(commits []Commit, since Version) error {
	o := badger.IteratorOptions{Prefix: restoredKey, SinceTs: uint64(since), AllVersions: true}
	for item, err := range l.unchecked(o) {
		if err != nil {
			return err
		}
		i, ok := slices.BinarySearchFunc(commits, Version(item.Version()), func(c Commit, v Version) int { return cmp.Compare(c.Ledger.Version, v) })
		if !ok {
			continue
		}
		b, err := item.ValueCopy(nil)
		if err != nil || len(b) != 8 {
			return l.s.damage("the note of a restore cannot be read")
		}
		from := Version(binary.BigEndian.Uint64(b))
		commits[i].Restored = &from
	}
	return nil
}

// window gathers changes under their commits. When they become too many it lets
// the later half of the commits go: they are read in the next pass.
type window struct {
	commits []Commit
	sizes   []int
	total   int
}

// find returns the position of the commit at the version, -1 when it is not in the window.
func (w *window) find(v Version) int {
	i, ok := slices.BinarySearchFunc(w.commits, v, func(c Commit, v Version) int { return cmp.Compare(c.Ledger.Version, v) })
	if !ok {
		return -1
	}
	return i
}

func (w *window) add(i int, e Entry) {
	size := len(e.Key) + len(e.Envelope) + opOverhead
	w.commits[i].Changes = append(w.commits[i].Changes, e)
	w.sizes[i] += size
	w.total += size
	if w.total <= historyBytes {
		return
	}
	kept, n := 0, 0
	for n < len(w.commits) && (n == 0 || kept+w.sizes[n] <= historyBytes/2) {
		kept += w.sizes[n]
		n++
	}
	clear(w.commits[n:])
	w.commits, w.sizes, w.total = w.commits[:n], w.sizes[:n], kept
}
