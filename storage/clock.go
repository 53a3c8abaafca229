package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/brockdb/brock/storage/disk"
	"github.com/zeebo/xxh3"
)

// One small synced write buys versions up to a mark ahead: two seconds ahead of the
// wall clock, or, where the versions are ahead of it themselves, a hundred thousand
// versions. A killed hub starts at its mark; the second bound keeps kill after kill
// from adding seconds to seconds.
const (
	reserve      = Version(2_000 << counterBits)
	reserveAhead = Version(100 << counterBits)
)

// Clock issues the hub's versions: a hybrid logical clock (Kulkarni et al., 2014)
// of one node. Versions rise strictly, over all tables, across restarts and when
// the wall clock is set back: before a version is issued, a mark above it is
// durable, and a new clock starts at the mark.
//
// It also knows the newest published cut. Taking a version and publishing a cut
// exclude each other, so every version is on one known side of every cut.
type Clock struct {
	wall func() time.Time
	fs   disk.FS
	path string

	mu     sync.Mutex
	last   Version // the highest issued
	mark   Version // durable; every issued version is below it
	cut    Version // the newest published
	ahead  chan struct{}
	closed bool
	done   sync.WaitGroup

	writing sync.Mutex // the file's; taken after mu, never before it
	kept    Version    // in the file
}

// OpenClock opens the clock whose mark is kept in the named file; a missing file
// starts at the wall clock. wall is time.Now but in tests. Close it after use.
func OpenClock(fsys disk.FS, path string, wall func() time.Time) (*Clock, error) {
	mark, err := readMark(fsys, path)
	if err != nil {
		return nil, err
	}
	c := &Clock{wall: wall, fs: fsys, path: path, last: mark, mark: mark, cut: mark, kept: mark, ahead: make(chan struct{}, 1)}
	c.done.Add(1)
	go c.keepAhead()
	return c, nil
}

// Observe makes every later version higher than v. Call it with all that a start
// finds: each table's last version and the vault's.
func (c *Clock) Observe(v Version) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, v)
}

// Now returns the present as a version, without issuing one: all that are issued later
// are above it, and it never goes back. Expiry is judged by it.
func (c *Clock) Now() Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = max(c.last, VersionAt(c.wall()))
	return c.last
}

// Last returns the highest version issued: every later one is above it.
func (c *Clock) Last() Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Next issues the next version. known is the newest cut that the caller has pinned
// or was excused from; where a newer one is published Next issues nothing and
// returns [ErrCutPending], so that no commit passes a cut unseen.
func (c *Clock) Next(known Version) (Version, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut > known {
		return 0, ErrCutPending
	}
	return c.tick()
}

// Publish issues a version and makes it the published cut, in one step.
func (c *Clock) Publish() (Version, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, err := c.tick()
	if err == nil {
		c.cut = v
	}
	return v, err
}

// Cut returns the newest published cut.
func (c *Clock) Cut() Version {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

func (c *Clock) tick() (Version, error) {
	if c.closed {
		return 0, fmt.Errorf("clock: %w", ErrClosed)
	}
	v := max(c.last+1, VersionAt(c.wall()))
	if v > MaxVersion {
		return 0, fmt.Errorf("clock: %w: no versions left", ErrInvalid)
	}
	if v >= c.mark {
		if err := c.raise(c.nextMark(v)); err != nil {
			return 0, err
		}
	} else if c.mark-v < reserveAhead/2 {
		select {
		case c.ahead <- struct{}{}:
		default:
		}
	}
	c.last = v
	return v, nil
}

// nextMark returns the mark to set when v is about to be issued. The caller holds the lock.
func (c *Clock) nextMark(v Version) Version {
	return max(VersionAt(c.wall())+reserve, v+reserveAhead)
}

// raise makes a new mark durable. The caller holds the lock.
func (c *Clock) raise(mark Version) error {
	if err := c.keep(mark); err != nil {
		return fmt.Errorf("clock: cannot make versions durable in %s: %w", c.path, Named(err))
	}
	c.mark = mark
	return nil
}

// keepAhead raises the mark before it is reached, so that under load no commit
// waits for it.
func (c *Clock) keepAhead() {
	defer c.done.Done()
	for range c.ahead {
		c.mu.Lock()
		mark := c.nextMark(c.last)
		c.mu.Unlock()
		// Written without the lock: a mark that is too high costs nothing. When it
		// fails, tick writes it and reports the error.
		if c.keep(mark) == nil {
			c.mu.Lock()
			c.mark = max(c.mark, mark)
			c.mu.Unlock()
		}
	}
}

// keep writes the mark, unless a higher one is there: on a slow disk tick may have
// to write one itself while an earlier one is still on its way.
func (c *Clock) keep(mark Version) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if mark <= c.kept {
		return nil
	}
	err := writeMark(c.fs, c.path, mark)
	if err == nil {
		c.kept = mark
	}
	return err
}

// Close stops the clock; it issues no version after. The mark is set to what was
// issued, so that a restart does not run ahead of the wall clock.
func (c *Clock) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	close(c.ahead)
	last := c.last
	c.mu.Unlock()
	c.done.Wait()
	return writeMark(c.fs, c.path, last+1)
}

const markMagic = "BROCKCK1"

func writeMark(fsys disk.FS, path string, mark Version) error {
	b := be64([]byte(markMagic), uint64(mark))
	return disk.WriteAtomic(fsys, path, be64(b, xxh3.Hash(b)))
}

func readMark(fsys disk.FS, path string) (Version, error) {
	b, err := disk.ReadFile(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(b) != 24 || string(b[:8]) != markMagic || binary.BigEndian.Uint64(b[16:]) != xxh3.Hash(b[:16]) {
		return 0, &DamageError{File: path, Problem: "clock mark does not match its checksum; remove the file to start above every table's and the vault's last version"}
	}
	return Version(binary.BigEndian.Uint64(b[8:])), nil
}
