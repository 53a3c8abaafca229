package app

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/brockdb/brock/storage/disk"
)

// closeDirectories takes other users' rights from the data directory and from the
// credentials: they hold every record and every key. The vault's folder may be shared on
// purpose, with what copies it away; there it only warns.
func (h *Hub) closeDirectories() {
	if runtime.GOOS == "windows" { // files have no modes there
		return
	}
	for _, path := range []string{h.cfg.Data, h.path(credentialsFile)} {
		info, err := os.Lstat(path)
		if err != nil || !isOpen(info) {
			continue
		}
		mode := disk.FileMode
		if info.IsDir() {
			mode = disk.DirMode
		}
		if err := os.Chmod(path, mode); err != nil {
			h.log.Warn("other users of this machine may look in, and it cannot be changed", "path", path, "mode", info.Mode(), "err", err)
			continue
		}
		h.log.Warn("other users of this machine could look in; now they cannot", "path", path, "mode", info.Mode())
	}
	if info, err := os.Stat(h.cfg.Vault); err == nil && info.IsDir() && isOpen(info) {
		h.log.Warn("other users of this machine may look into the vault's folder; chmod 700 it unless that is meant", "path", h.cfg.Vault, "mode", info.Mode())
	}
}

// checkTo refuses a restore into what the hub itself keeps: whoever may restore may not
// write there. Links are followed first.
func (h *Hub) checkTo(to string) error {
	if to == "" {
		return nil
	}
	if !filepath.IsAbs(to) {
		return fmt.Errorf("%w: restore to %q: name the directory by its whole path", ErrInvalid, to)
	}
	to = real(to)
	for _, own := range []string{h.cfg.Data, h.cfg.Vault} {
		if rel, err := filepath.Rel(real(own), to); err == nil && filepath.IsLocal(rel) {
			return fmt.Errorf("%w: restore to %q: it lies in the hub's own directory %s; name another", ErrInvalid, to, own)
		}
	}
	return nil
}

// real is the path without links, as far as it exists.
func real(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	dir := filepath.Dir(path)
	if dir == path {
		return path
	}
	return filepath.Join(real(dir), filepath.Base(path))
}

// isOpen says whether others than the owner have any right.
func isOpen(info fs.FileInfo) bool {
	return info.Mode()&fs.ModeSymlink == 0 && info.Mode().Perm()&0o077 != 0
}
