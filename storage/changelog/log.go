package changelog

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// Log is an open change log: one appends, one merges and removes, any number read.
type Log struct {
	fs         disk.FS
	dir        string
	vault, hub string
	codec      Codec
	readOnly   bool
	log        *slog.Logger

	appending sync.Mutex // one at a time
	made      bool       // the folder is there, as of the newest append
	tending   sync.Mutex // one merge or removal at a time

	mu       sync.Mutex
	chain    []Segment // replaced, never changed in place
	last     map[string]TableState
	problems []Problem
	holds    map[int]storage.Version
	nextHold int
	strays   []string        // see commit
	bad      map[string]bool // segments that a merge could not read
	known    map[restoresOf][]Restore
}

// Open opens the change log in dir; a folder that is missing is an empty log. It
// reads the heads of all segments. What is damaged, foreign or missing is in
// [Log.Problems] and hides nothing else. The owner (one process at a time) sweeps
// what unfinished work left, and removes segments whose merged one reads well.
//
// vault is the id that all segments must have ("": not known, for reading only), and
// hubID the one that new segments get. A segment of a later format is a
// [FormatError], or a problem where the log is opened for reading only.
func Open(fsys disk.FS, dir, vault, hubID string, o Options) (*Log, error) {
	l := &Log{fs: fsys, dir: dir, vault: vault, hub: hubID, codec: o.Codec, readOnly: o.ReadOnly, log: o.Logger,
		holds: map[int]storage.Version{}, bad: map[string]bool{}, known: map[restoresOf][]Restore{}}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.codec == 0 {
		l.codec = Stored
	}
	if l.codec > S2 {
		return nil, fmt.Errorf("change log: %w codec %d", storage.ErrInvalid, l.codec)
	}
	if !l.readOnly {
		if !idPattern.MatchString(vault) || !idPattern.MatchString(hubID) {
			return nil, fmt.Errorf("change log: %w ids %.80q and %.80q", storage.ErrInvalid, vault, hubID)
		}
		swept, err := disk.Sweep(fsys, dir)
		if err != nil {
			return nil, fmt.Errorf("change log %s: %w", dir, err)
		}
		for _, name := range swept {
			l.log.Info("removed what unfinished work left", "dir", dir, "file", name)
		}
	}
	return l, l.load()
}

// load lists the folder and makes that the chain.
func (l *Log) load() error {
	found, err := l.list(0)
	if err != nil {
		return fmt.Errorf("change log %s: %w", l.dir, err)
	}
	if !l.readOnly {
		if err := l.clear(found.covered); err != nil {
			return fmt.Errorf("change log %s: %w", l.dir, err)
		}
	}
	for _, p := range found.problems {
		l.log.Warn("the change log has a problem", "dir", l.dir, "file", p.File, "table", p.Table, "problem", p.Problem)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.chain, l.problems, l.last = found.chain, found.problems, found.last
	return nil
}

// clear removes segments that another one covers.
func (l *Log) clear(names []string) error {
	for _, name := range names {
		if err := l.fs.Remove(l.path(name)); err != nil && !isMissing(err) {
			return err
		}
		l.log.Debug("removed a segment that was merged", "dir", l.dir, "file", name)
	}
	if len(names) == 0 {
		return nil
	}
	return l.fs.SyncDir(l.dir)
}

// Problems returns what [Open] found: segments that are missing, damaged or foreign.
func (l *Log) Problems() []Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.problems)
}

// Segments returns the chain, oldest first. A merged segment stands for those that
// it covers.
func (l *Log) Segments() []Segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.chain)
}

// Through returns the version that the log ends at, 0 for an empty log. The next
// segment goes on from there. Not every table is complete through it: see [Log.Last].
func (l *Log) Through() storage.Version {
	l.mu.Lock()
	defer l.mu.Unlock()
	return through(l.chain)
}

func through(chain []Segment) storage.Version {
	if len(chain) == 0 {
		return 0
	}
	return chain[len(chain)-1].To
}

// Highest returns the highest version in the name of any segment, also of one that is
// damaged and in no chain: its version was used.
func (l *Log) Highest() (storage.Version, error) {
	entries, err := l.fs.ReadDir(l.dir)
	if isMissing(err) {
		return 0, nil
	}
	highest := storage.Version(0)
	for _, e := range entries {
		if s, ok := parseSpan(e.Name()); ok {
			highest = max(highest, s.to)
		}
	}
	return highest, err
}

// Last returns the newest state of the table, from the newest segment that names it.
func (l *Log) Last(table string) (TableState, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.last[table]
	return s, ok
}

// Tables returns the names of all tables that the log knows, ascending.
func (l *Log) Tables() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.last))
}

// Hold keeps segments that end above the version from [Log.Remove] until release is
// called. Holds are this process's own. release may be called again.
func (l *Log) Hold(above storage.Version) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nextHold++
	id := l.nextHold
	l.holds[id] = above
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.holds, id)
	}
}

func (l *Log) path(name string) string { return filepath.Join(l.dir, name) }

func (l *Log) mayWrite() error {
	if l.readOnly {
		return fmt.Errorf("%s: %w: open it as its owner", l.dir, ErrReadOnly)
	}
	return nil
}

// isMissing says that a file or folder does not exist.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
