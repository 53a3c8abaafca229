//go:build unix

package disk

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrLocked says that another process, or another owner in this one, holds the lock.
var ErrLocked = errors.New("locked by another process")

// Lock is an exclusive lock on a file; the system frees it when its process ends,
// however it ends.
type Lock struct{ f *os.File }

// TryLock takes the lock on the named file, making the file when it is missing.
// It returns [ErrLocked] at once when the lock is held.
func TryLock(name string) (*Lock, error) {
	return tryLock(name, os.O_RDWR|os.O_CREATE)
}

// TryLockDir is [TryLock] for a folder that exists.
func TryLockDir(name string) (*Lock, error) {
	return tryLock(name, os.O_RDONLY)
}

func tryLock(name string, flag int) (*Lock, error) {
	f, err := os.OpenFile(name, flag, FileMode)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", name, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return &Lock{f: f}, nil
}

// Unlock frees the lock. The file stays: removing it would let two owners hold
// locks on two files of one name.
func (l *Lock) Unlock() error { return l.f.Close() }
