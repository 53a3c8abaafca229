package storage

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// stuckFS holds the first file that it is asked to make until it is let go.
type stuckFS struct {
	disk.FS
	once  sync.Once
	stuck chan struct{}
	letGo chan struct{}
	armed bool // set before it counts
}

func (f *stuckFS) Create(name string) (disk.File, error) {
	if f.armed {
		f.once.Do(func() {
			close(f.stuck)
			<-f.letGo
		})
	}
	return f.FS.Create(name)
}

// TestAClockOnASlowDisk has versions run past the mark while the next one is still
// being written: neither write may hurt the other, nor put a lower mark into the file.
func TestAClockOnASlowDisk(t *testing.T) {
	fs := &stuckFS{FS: disk.OS, stuck: make(chan struct{}), letGo: make(chan struct{})}
	path := filepath.Join(t.TempDir(), "clock")
	wall := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	c, err := OpenClock(fs, path, func() time.Time { return wall })
	require.NoError(t, err)
	_, err = c.Next(0)
	require.NoError(t, err)
	fs.armed = true
	c.mu.Lock()
	c.last = c.mark - reserveAhead/4
	c.mu.Unlock()
	_, err = c.Next(0) // has a new mark written ahead, which gets stuck
	require.NoError(t, err)
	<-fs.stuck
	c.mu.Lock()
	c.last = c.mark + 10*reserveAhead
	c.mu.Unlock()
	go func() {
		time.Sleep(10 * time.Millisecond) // that Next waits for the file by then is likely, not needed
		close(fs.letGo)
	}()
	v, err := c.Next(0)
	require.NoError(t, err)
	mark, err := readMark(disk.OS, path)
	require.NoError(t, err)
	require.Greater(t, mark, v, "what a killed hub would start at")
	require.NoError(t, c.Close())
}
