package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/brockdb/brock/storage/disk"
	"github.com/dgraph-io/badger/v4"
)

// precheck reads the files of a store before Badger does, because damage in them ends
// the process in Badger (a table that is cut short, a block's trailer), or silently
// costs data (a MANIFEST cut short, a record in the middle of a .mem).
//
// It runs on the caller's goroutine under the folder's lock, holds little, and changes
// nothing but what Badger is about to change in the same way: it cuts the torn end off
// a log, so that Badger does not meet lengths there that nobody wrote.
type precheck struct {
	dir      string
	opts     Options
	deadline time.Time // for what the budget bounds
	list     *manifest
	tables   []*tableFile // of the list
	mems     []*memFile
	seen     Version          // by the witness
	logs     map[uint32]int64 // value-log files, and how much of each is needed, as far as known
	commits  uint64           // the highest number of a commit that a table's ledger has
}

// checks bounds how many stores are checked at a time: each holds the log of a memtable,
// and has its budget of time for itself.
var checks = make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))

// checkStore is the check of [Open]. What it finds is a [DamageError], with
// [ErrTailLost] where only the last commits are gone; an error of the disk matches
// [ErrUnavailable].
func checkStore(dir, table string, opts Options) error {
	checks <- struct{}{}
	defer func() { <-checks }()
	lock, err := disk.TryLockDir(dir)
	if errors.Is(err, disk.ErrLocked) {
		return fmt.Errorf("table %s: %s: %w", table, dir, ErrLocked)
	}
	if err == nil {
		p := &precheck{dir: dir, opts: opts, logs: map[uint32]int64{}}
		err = errors.Join(p.run(), lock.Unlock())
	}
	var damage *DamageError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &damage):
		damage.Table = table
		damage.Problem += "; restore the table"
		return damage
	}
	return fmt.Errorf("table %s: %w: %w", table, ErrUnavailable, err)
}

func (p *precheck) run() error {
	p.deadline = time.Now().Add(max(p.opts.CheckBudget, 0))
	if err := p.readWitness(); err != nil {
		return err
	}
	for _, step := range []func() error{p.registry, p.manifest, p.namedTables, p.identities, p.memories, p.orphans, p.valueLogs} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (p *precheck) readWitness() error {
	w, seen, err := openWitness(p.dir)
	if err != nil {
		return err
	}
	p.seen = seen
	return w.close()
}

func (p *precheck) manifest() error {
	return p.with(badger.ManifestFilename, func(f *os.File, size int64) (err error) {
		p.list, err = readManifest(f, size)
		return err
	})
}

// registry checks the list of keys for encryption, which Brock does not use: it has a
// head and no key. Badger would take a length from what follows, without a bound.
func (p *precheck) registry() error {
	const head, text = 16, "Hello Badger" // 16 random bytes first
	err := p.with(badger.KeyRegistryFileName, func(f *os.File, size int64) error {
		s, b := &source{r: f, size: size}, make([]byte, head+len(text))
		if size != int64(len(b)) {
			return s.damage(0, "the list of keys has not the size of an empty one")
		}
		if err := s.read(b, 0); err != nil {
			return err
		}
		if string(b[head:]) != text {
			return s.damage(head, "the list of keys does not begin like one")
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // Badger makes it
	}
	return err
}

// with opens a file of the store. One that is missing is an error that matches
// fs.ErrNotExist, and so is no damage by itself.
func (p *precheck) with(name string, check func(f *os.File, size int64) error) error {
	f, err := os.Open(filepath.Join(p.dir, name))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return (&source{r: f}).damage(0, "this is no file")
	}
	return check(f, info.Size())
}

// names returns the names in the folder with the ending, ordered.
func (p *precheck) names(ending string) ([]string, error) {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ending) && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (p *precheck) damage(name string, at int64, problem string) *DamageError {
	return &DamageError{File: filepath.Join(p.dir, name), Offset: at, Problem: problem}
}

func isDamage(err error) bool { return errors.Is(err, ErrDamaged) }
