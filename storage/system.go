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
