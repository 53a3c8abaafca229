//go:build unix

package main

import "syscall"

// closeFiles keeps others from whatever this process makes, Badger's files too.
func closeFiles() { syscall.Umask(0o077) }
