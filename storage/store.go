package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/brockdb/brock/storage/disk"
	"github.com/dgraph-io/badger/v4"
)

// Store is one table's Badger store: records that carry checksums, and the
// ledger. One goroutine at a time may write ([Store.Commit]); reads, scans and
// pins run beside it at the version that was current when they began.
type Store struct {
	table  string
	dir    string
	opts   Options
	log    *slog.Logger
	db     *badger.DB
	blocks *blockCheck

	head    atomic.Pointer[Ledger] // of the last acknowledged commit
	witness *witness
	failed  atomic.Pointer[error] // why it takes no more writes
	files   fileList              // as it was written last; the writer's, and the close's
	listed  time.Time

	opened  string // tells this opening of the store from all others
	readers readers
	close   sync.Once
	closed  chan struct{}
	closing error         // of the close; read it after closed
	waits   chan struct{} // closed when the close has to wait for space
	tooFull error         // why; read it after waits
	seen    Version       // by the witness, at open
	floor   Version       // what it knew at open: it cannot tell which history before is whole
	// restored is the version at which, since it was opened, a restore put it in the
	// table's place; what it has from before is not the table's past.
	restored atomic.Uint64
}

// Open opens the store in dir, which must hold one (see [Create]). It checks
// first what Badger would not survive or would silently make empty. Errors match
// [ErrLost] (no store there), [ErrLocked], [ErrNoSpace] or [ErrDamaged].
func Open(dir, table string, opts Options) (*Store, error) {
	if err := guard(dir, table); err != nil {
		return nil, err
	}
	if !opts.making {
		if err := checkStore(dir, table, opts.withDefaults()); err != nil {
			return nil, err
		}
	}
	return open(dir, table, opts)
}

// Create makes an empty store in dir, which must not exist or be empty, and opens it.
func Create(dir, table string, opts Options) (*Store, error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("table %s: %w: %s is not empty", table, ErrInvalid, dir)
	}
	if err := disk.OS.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("table %s: %w", table, err)
	}
	return open(dir, table, opts)
}

func open(dir, table string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	if err := opts.spaceForMemory(dir, table, "its open"); err != nil {
		return nil, err
	}
	opts.Logger = opts.Logger.With("table", table)
	s := &Store{table: table, dir: dir, opts: opts, log: opts.Logger, closed: make(chan struct{}), waits: make(chan struct{}), opened: rand.Text()}
	db, err := openBadger(dir, table, badgerOptions(dir, opts))
	if err != nil {
		return nil, err
	}
	s.db = db
	s.blocks = newBlockCheck(s)
	if err := s.load(); err != nil {
		s.blocks.close()
		return nil, errors.Join(err, db.Close())
	}
	s.files = readFileList(dir)
	s.noteFiles()
	s.readers.init()
	return s, nil
}

// load reads the ledger and holds it against the witness.
func (s *Store) load() error {
	l, err := s.readLedger()
	if err != nil {
		return err
	}
	w, seen, err := openWitness(s.dir)
	if err != nil {
		return fmt.Errorf("table %s: witness: %w", s.table, err)
	}
	if seen > l.Version && !s.opts.LostTail {
		return errors.Join(w.close(), &DamageError{Table: s.table, File: s.dir,
			Problem: fmt.Sprintf("commits after %s are gone: version %d was acknowledged, the store ends at %d; restore the table", l.Version.Time().Format(time.RFC3339Nano), seen, l.Version), Err: ErrTailLost})
	}
	s.witness, s.floor, s.seen = w, l.Version, seen
	s.head.Store(&l)
	return nil
}

// readLedger finds the newest ledger; a store that never had a commit has none.
func (s *Store) readLedger() (Ledger, error) { return s.ledgerAt(math.MaxUint64) }

func (s *Store) ledgerAt(at Version) (l Ledger, err error) {
	defer s.caught(&err)
	txn := s.db.NewTransactionAt(uint64(at), false)
	defer txn.Discard()
	o := badger.IteratorOptions{Prefix: ledgerPrefix, Reverse: true, PrefetchSize: 1}
	it := txn.NewIterator(o)
	defer it.Close()
	last, upTo := append(append([]byte{}, ledgerPrefix...), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ledgerPrefix
	it.Seek(last)
	found := it.ValidForPrefix(ledgerPrefix)
	if found {
		upTo = it.Item().Key()
	}
	check := s.blocks.scan(last, o)
	defer check.end()
	if err := check.to(upTo); err != nil {
		return Ledger{}, err
	}
	if !found {
		if at < math.MaxUint64 { // Badger's MaxVersion is not for stores that are written to
			return Ledger{}, nil
		}
		if v := s.db.MaxVersion(); v > 0 {
			return Ledger{}, &DamageError{Table: s.table, File: s.dir, Problem: fmt.Sprintf("the ledger is missing although there are commits up to %d; restore the table", v)}
		}
		return Ledger{}, nil
	}
	err = it.Item().Value(func(b []byte) error {
		var problem string
		if l, problem = DecodeLedger(b); problem != "" {
			return s.damage(problem)
		}
		return nil
	})
	if err == nil && uint64(l.Version) != it.Item().Version() {
		err = s.damage("the ledger's version is not that of its commit")
	}
	return l, err
}

func (s *Store) damage(problem string) error {
	return &DamageError{Table: s.table, File: s.dir, Problem: problem + "; restore the table"}
}

// Table returns the table's name.
func (s *Store) Table() string { return s.table }

// Dir returns the store's folder.
func (s *Store) Dir() string { return s.dir }

// Ledger returns the account as of the last acknowledged commit.
func (s *Store) Ledger() Ledger { return *s.head.Load() }

// Sync makes all commits durable that were acknowledged without it.
func (s *Store) Sync() error {
	if !s.opts.Unsynced {
		return nil
	}
	if !s.readers.enter() {
		return fmt.Errorf("table %s: %w", s.table, ErrClosed)
	}
	defer s.readers.leave()
	if err := s.db.Sync(); err != nil {
		return fmt.Errorf("table %s: sync: %w", s.table, err)
	}
	return nil
}

// Close refuses new reads, ends pins and scans with [ErrClosed], waits for them
// and closes Badger. When ctx ends first, it returns an error and goes on closing
// behind: Badger's own close can hang on a broken disk. Where the disk is too full for
// what the memtables hold, which would end the process, it returns an error that matches
// [ErrNoSpace] at once and closes when there is space; the logs of the memtables have it
// all, so nothing is lost should the process end before. Closing twice is fine.
func (s *Store) Close(ctx context.Context) error {
	s.readers.ended.Store(true)
	return s.Retire(ctx)
}

// Retire is [Store.Close] for a store that another one takes the place of: pins and
// scans that are open go on to their end, and it waits for them.
func (s *Store) Retire(ctx context.Context) error {
	s.close.Do(func() {
		s.readers.shut()
		go func() {
			defer close(s.closed)
			<-s.readers.drained
			s.awaitSpace()
			s.blocks.close()
			if s.closing = errors.Join(s.witness.close(), s.db.Close()); s.closing == nil {
				s.noteAllFiles()
			}
		}()
	})
	select {
	case <-s.closed:
		return s.closing
	case <-s.waits:
		select {
		case <-s.closed:
			return s.closing
		default:
			return s.tooFull
		}
	case <-ctx.Done():
		return fmt.Errorf("table %s: close did not finish: %w", s.table, ctx.Err())
	}
}

// closeAgain is how often a close that waits for space looks for it.
const closeAgain = time.Second

// awaitSpace waits until Badger's close may write what the memtables hold.
func (s *Store) awaitSpace() {
	for told := false; ; told = true {
		err := s.opts.spaceForMemory(s.dir, s.table, "its close")
		if !errors.Is(err, ErrNoSpace) {
			return // where it cannot be asked the close has to try
		}
		if !told {
			s.tooFull = err
			close(s.waits)
		}
		<-time.After(closeAgain)
	}
}
