package storage

import (
	"context"
	"errors"
	"strings"
	"syscall"
)

// systemTexts are how errors of the system read that say nothing about what is
// stored. Badger wraps by formatting, so the text is all that is left of them.
var systemTexts = []string{"permission denied", "operation not permitted", "no space left", "disk quota exceeded", "too many open files",
	"input/output error", "read-only file system", "cannot allocate memory", "stale file handle", "stale nfs file handle",
	"timed out", "i/o timeout", "transport endpoint is not connected", "no such device", "resource temporarily unavailable",
	"interrupted system call", "device or resource busy", context.Canceled.Error(), context.DeadlineExceeded.Error()}

// ofSystem says whether an error is one of the system: what it concerns may be as sound
// as ever, so a restore must not be the answer to it. A file that is missing is no such
// error where something names the file.
func ofSystem(err error) bool {
	var no syscall.Errno
	if errors.As(err, &no) {
		return no != syscall.ENOENT
	}
	text := strings.ToLower(err.Error())
	for _, s := range systemTexts {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// Named gives an error of the system the name by which callers match it: a disk that is
// full, or a quota that is used up, is [ErrNoSpace]. Its text stays. Others have names of
// their own: fs.ErrPermission, syscall.EROFS, syscall.EMFILE.
func Named(err error) error {
	if (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)) && !errors.Is(err, ErrNoSpace) {
		return &noSpace{err}
	}
	return err
}

type noSpace struct{ err error }

func (e *noSpace) Error() string        { return e.err.Error() }
func (e *noSpace) Unwrap() error        { return e.err }
func (e *noSpace) Is(target error) bool { return target == ErrNoSpace }
