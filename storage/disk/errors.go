package disk

import (
	"errors"
	"syscall"
)

// IsUnreadable says that an error of the system tells nothing about what is stored, but
// that it cannot be read for now. That a file is missing is no such error.
func IsUnreadable(err error) bool {
	var no syscall.Errno
	return errors.As(err, &no) && no != syscall.ENOENT
}
