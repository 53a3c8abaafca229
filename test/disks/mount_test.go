//go:build linux

package disks

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// volume is a small disk of its own.
type volume struct {
	t      *testing.T
	dir    string // where it is mounted
	image  string // what is mounted there; "" for a tmpfs
	frozen bool
}

const mib = 1 << 20

// newVolume makes an ext4 file system in a sparse image, or where there are no loop
// devices a tmpfs. It is unmounted however the test ends.
func newVolume(t *testing.T, size int64) *volume {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a disk needs root")
	}
	if why := os.Getenv(noMountVar); why != "" {
		t.Skip("disks cannot be mounted: " + why)
	}
	home, err := os.MkdirTemp("", "brock-disks-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(home, 0o755)) // others than root run hubs on it
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	v := &volume{t: t, dir: filepath.Join(home, "disk")}
	require.NoError(t, os.Mkdir(v.dir, 0o755))
	t.Cleanup(v.unmount)
	v.image = filepath.Join(home, "image")
	why := v.makeImage(size)
	if why == "" {
		why = v.mount()
	}
	if why != "" {
		v.image = ""
		t.Logf("no ext4 on a loop device (%s): a tmpfs in its place", why)
		if err := syscall.Mount("tmpfs", v.dir, "tmpfs", 0, "size="+itoa(size)); err != nil {
			t.Skipf("this machine lets nobody mount: ext4 on a loop device: %s; tmpfs: %v", why, err)
		}
	}
	return v
}

// makeImage returns why it could not.
func (v *volume) makeImage(size int64) string {
	f, err := os.Create(v.image)
	if err == nil {
		err = errors.Join(f.Truncate(size), f.Close())
	}
	if err != nil {
		return err.Error()
	}
	return run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", v.image)
}

func (v *volume) mount() string { return run("mount", "-o", "loop", v.image, v.dir) }

// run returns why the command failed.
func run(name string, args ...string) string {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return strings.TrimSpace(name + ": " + err.Error() + " " + string(out))
	}
	return ""
}

// unmount lets everything go: what is frozen, what lies over it, the disk itself.
func (v *volume) unmount() {
	v.thaw()
	unmount(v.t, v.dir)
}

func unmount(t *testing.T, dir string) {
	var err error
	for range 500 { // a process that was killed may hold it a moment longer
		switch err = syscall.Unmount(dir, 0); err {
		case nil: // there may be something below it
		case syscall.EINVAL:
			return // nothing is mounted there any more
		default:
			<-time.After(10 * time.Millisecond)
		}
	}
	t.Errorf("unmount %s: %v", dir, err)
	_ = syscall.Unmount(dir, syscall.MNT_DETACH)
}

// also mounts the disk in a second place.
func (v *volume) also(dir string) {
	v.t.Helper()
	require.NoError(v.t, os.MkdirAll(dir, 0o700))
	require.NoError(v.t, syscall.Mount(v.dir, dir, "", syscall.MS_BIND, ""))
	v.t.Cleanup(func() { unmount(v.t, dir) })
}

// pull takes the disk away under whoever uses it, as a cable that is pulled: what was not
// synced is lost, and everything fails from now on.
func (v *volume) pull() {
	v.t.Helper()
	d, err := os.Open(v.dir)
	require.NoError(v.t, err)
	defer d.Close()
	const shutdown = 0x8004587d // EXT4_IOC_SHUTDOWN
	how := uint32(2)            // and what the journal has in memory is lost
	if _, _, no := syscall.Syscall(syscall.SYS_IOCTL, d.Fd(), shutdown, uintptr(unsafe.Pointer(&how))); no != 0 {
		v.t.Skipf("this file system cannot be pulled: %v", no)
	}
}

// plug mounts the disk again, which nobody may use any more.
func (v *volume) plug() {
	v.t.Helper()
	v.unmount()
	require.Empty(v.t, v.mount())
}

func (v *volume) free() int64 {
	var st syscall.Statfs_t
	require.NoError(v.t, syscall.Statfs(v.dir, &st))
	return int64(st.Bavail) * st.Bsize
}

// fill leaves about so many bytes free, by a file that is nobody's. Calling it again
// changes what it left.
func (v *volume) fill(leave int64) {
	v.t.Helper()
	v.empty()
	f, err := os.Create(v.ballast())
	require.NoError(v.t, err)
	defer f.Close()
	if n := v.free() - leave; n > 0 {
		err := syscall.Fallocate(int(f.Fd()), 0, 0, n)
		if err != nil {
			require.ErrorIs(v.t, err, syscall.ENOSPC)
		}
	}
	if leave > 0 {
		return
	}
	b := make([]byte, 4096) // and the last block too
	for {
		if _, err = f.Seek(0, 2); err == nil {
			_, err = f.Write(b)
		}
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			require.ErrorIs(v.t, err, syscall.ENOSPC)
			return
		}
	}
}

func (v *volume) empty() { _ = os.Remove(v.ballast()) }

func (v *volume) ballast() string { return filepath.Join(v.dir, "ballast") }

// readOnly makes everything below the folder read-only for whoever opens it from now on.
func (v *volume) readOnly() (undo func()) {
	v.t.Helper()
	require.NoError(v.t, syscall.Mount(v.dir, v.dir, "", syscall.MS_BIND, ""))
	require.NoError(v.t, syscall.Mount("", v.dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	return func() { require.NoError(v.t, syscall.Unmount(v.dir, 0)) }
}

const (
	fiFreeze = 0xc0045877
	fiThaw   = 0xc0045878
)

// freeze makes every write to the disk wait; thaw lets them go on.
func (v *volume) freeze() {
	v.t.Helper()
	if err := v.control(fiFreeze); err != nil {
		v.t.Skipf("this file system cannot be made to hang: %v", err)
	}
	v.frozen = true
	v.t.Cleanup(v.thaw) // before anybody waits for the end of a process that hangs in it
}

func (v *volume) thaw() {
	if v.frozen {
		v.frozen = false
		if err := v.control(fiThaw); err != nil {
			v.t.Errorf("thaw %s: %v", v.dir, err)
		}
	}
}

func (v *volume) control(op uintptr) error {
	d, err := os.Open(v.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if _, _, no := syscall.Syscall(syscall.SYS_IOCTL, d.Fd(), op, 0); no != 0 {
		return no
	}
	return nil
}
