//go:build !linux

package disk

// StartWriteback does nothing where the system has no way to ask for it.
func StartWriteback(File) {}
