//go:build linux

package disks

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// code holds a question to an error's code, and the process to its life.
func (h *hub) code(q question, code string) {
	h.t.Helper()
	a := h.ask(q)
	require.Equal(h.t, code, a.Code, "%+v", a)
	require.NotContains(h.t, a.Is, "ErrDamaged")
}

// The vault turns read-only, as a file system with an error does, and back.
func TestTheVaultTurnsReadOnly(t *testing.T) {
	t.Parallel()
	_, v, h := place(t, 160*mib, 64*mib)
	h.write("a", 10, 4000)
	h.do("backup", "")
	undo := v.readOnly()
	require.Equal(t, 10, h.write("b", 10, 4000))
	h.code(question{Do: "backup"}, "read_only")
	h.do("verify", "")
	h.code(question{Do: "drill"}, "read_only") // its proof cannot be kept
	h.check()
	undo()
	h.wellAfterwards()
	h.lossOfData()
}

// The same of the data, as far as Brock's own files go: Badger has its files open. Writes
// end by name, when the clock has used up what it had made durable.
func TestTheDataTurnsReadOnly(t *testing.T) {
	t.Parallel()
	d, _, h := place(t, 160*mib, 64*mib)
	h.write("a", 10, 4000)
	undo := d.readOnly()
	h.until(question{Do: "put", Table: "a", Key: "k", Value: []byte("v")}, func(a answer) bool {
		h.note("a", "k", []byte("v"), a)
		return a.Code == "read_only"
	})
	h.code(question{Do: "backup"}, "read_only")
	h.code(question{Do: "compact"}, "read_only")
	h.check()
	undo()
	h.wellAfterwards()
}

const nobody = 65534

// placeOf is a hub of nobody's, whom modes of files bind.
func placeOf(t *testing.T, user int) (d, v *volume, h *hub) {
	d, v = newVolume(t, 160*mib), newVolume(t, 64*mib)
	for _, x := range []*volume{d, v} {
		require.NoError(t, os.Chown(x.dir, user, user))
		require.NoError(t, os.Chmod(x.dir, 0o755))
	}
	o := on(d, v)
	o.User = user
	return d, v, newHub(t, o)
}

func TestNobodyMayUseTheVault(t *testing.T) {
	t.Parallel()
	_, _, h := placeOf(t, nobody)
	h.write("a", 10, 4000)
	h.do("backup", "")
	require.NoError(t, os.Chmod(h.order.Vault, 0))
	require.Equal(t, 10, h.write("b", 10, 4000))
	h.code(question{Do: "backup"}, "no_permission")
	h.says("permission denied")
	h.check()
	require.NoError(t, os.Chmod(h.order.Vault, 0o700))
	h.wellAfterwards()

	require.Empty(t, h.stop().Error)
	require.NoError(t, os.Chmod(h.order.Vault, 0))
	h.start()
	require.Equal(t, "no_permission", h.first.Code, "%+v", h.first)
	require.Contains(t, h.first.Error, "writable for this user")
	require.NoError(t, os.Chmod(h.order.Vault, 0o700))
	h.start()
	h.check()
}

func TestNobodyMayUseTheData(t *testing.T) {
	t.Parallel()
	_, _, h := placeOf(t, nobody)
	h.write("a", 10, 4000)
	h.do("backup", "")
	require.NoError(t, os.Chmod(h.order.Data, 0))
	h.until(question{Do: "put", Table: "a", Key: "k", Value: []byte("v")}, func(a answer) bool {
		h.note("a", "k", []byte("v"), a)
		return a.Code == "no_permission"
	})
	h.code(question{Do: "compact"}, "no_permission")
	h.check()
	require.NoError(t, os.Chmod(h.order.Data, 0o700))
	h.wellAfterwards()

	tables := filepath.Join(h.order.Data, "tables", "a") // of one table, at a start
	require.Empty(t, h.stop().Error)
	require.NoError(t, os.Chmod(tables, 0))
	h.start()
	h.code(question{Do: "get", Table: "a", Key: "k"}, "unavailable")
	require.Equal(t, 10, h.write("b", 10, 100), "the other table goes on")
	h.says("table a is unavailable: ")
	require.NoError(t, os.Chmod(tables, 0o700))
	h.until(question{Do: "get", Table: "a", Key: "key-0001"}, works)
	h.wellAfterwards()
}

// limit sets how many files the process may have open.
func (h *hub) limit(soft uint64) {
	h.t.Helper()
	var lim syscall.Rlimit
	require.NoError(h.t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim))
	lim.Cur = min(soft, lim.Max)
	_, _, no := syscall.Syscall6(syscall.SYS_PRLIMIT64, uintptr(h.pid()), syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&lim)), 0, 0, 0)
	require.Zero(h.t, no, "%v", no)
}

// The process may open no more files: what it has open goes on, everything else fails by
// name, and is well as soon as it may again.
func TestNoDescriptorIsLeft(t *testing.T) {
	t.Parallel()
	_, _, h := place(t, 160*mib, 64*mib)
	h.write("a", 10, 4000)
	h.do("backup", "")
	h.limit(3)
	require.Positive(t, h.write("b", 10, 4000), "a commit opens no file")
	h.until(question{Do: "put", Table: "a", Key: "k", Value: []byte("v")}, func(a answer) bool {
		h.note("a", "k", []byte("v"), a)
		return a.Code == "too_many_files"
	})
	for _, what := range []string{"backup", "compact", "restore", "drill"} {
		h.code(question{Do: what, Table: "a"}, "too_many_files")
	}
	h.says("too many open files")
	h.check()
	h.limit(1 << 15)
	h.wellAfterwards()

	for table := range 20 { // and one that may open some
		h.limit(uint64(h.open() + table))
		_ = h.ask(question{Do: "compact", Table: "a"})
		_ = h.ask(question{Do: "backup"})
		h.limit(1 << 15)
		require.True(t, h.alive())
		h.check()
	}
	h.wellAfterwards()
}

// open counts the files that the process has open.
func (h *hub) open() int {
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(h.pid()) + "/fd")
	require.NoError(h.t, err)
	return len(entries)
}

// The vault's disk hangs, as a network's does: tables do not notice, health answers and
// says so, and what waits is done when it goes on.
func TestTheVaultHangs(t *testing.T) {
	t.Parallel()
	_, v, h := place(t, 160*mib, 64*mib)
	h.write("a", 10, 4000)
	h.do("backup", "")
	v.freeze()
	backup := h.begin(question{Do: "backup"})
	require.Equal(t, 10, h.write("b", 10, 4000))
	h.check()
	began := time.Now()
	h.do("health", "")
	require.Less(t, time.Since(began), 10*time.Second)
	v.thaw()
	require.Empty(t, h.await(backup).Error)
	h.wellAfterwards()
	h.lossOfData()
}

// The data's disk hangs: writes wait, and reads as soon as Go collects garbage. For Badger
// writes through mappings, and a thread that waits in a page fault cannot be stopped for
// that, so the others wait for it. All that waits is done, and right, when it goes on.
func TestTheDataHangs(t *testing.T) {
	t.Parallel()
	d, _, h := place(t, 160*mib, 64*mib)
	h.write("a", 10, 4000)
	d.freeze()
	value := bytesOf(4000)
	put := h.begin(question{Do: "put", Table: "a", Key: "slow", Value: value})
	backup := h.begin(question{Do: "backup"})
	var gets []chan answer
	for range 20 {
		gets = append(gets, h.begin(question{Do: "get", Table: "a", Key: "key-0001"}))
	}
	select {
	case a := <-put:
		t.Fatalf("it was acknowledged, and cannot be durable: %+v", a)
	default:
	}
	d.thaw()
	for _, get := range gets {
		require.Empty(t, h.await(get).Error)
	}
	a := h.await(put)
	require.Empty(t, a.Error)
	h.note("a", "slow", value, a)
	require.Empty(t, h.await(backup).Error)
	h.wellAfterwards()
}

// The data's disk is pulled, with all that it had not synced. The process may end of it;
// what it had acknowledged is on the disk.
func TestTheDataDiskIsPulled(t *testing.T) {
	t.Parallel()
	d, _, h := place(t, 160*mib, 64*mib)
	h.write("a", 20, 4000)
	h.write("b", 20, 40_000)
	h.do("compact", "b")
	for i := range 30 {
		if i == 15 {
			d.pull()
		}
		a := h.put("a", "k-"+strconv.Itoa(i), bytesOf(3000))
		require.NotContains(t, a.Is, "ErrDamaged")
		require.True(t, i < 15 || a.Error != "", "acknowledged without a disk")
	}
	for _, what := range []string{"backup", "compact"} {
		require.NotEmpty(t, h.ask(question{Do: what, Table: "b"}).Error)
	}
	h.kill()
	d.plug()
	h.start()
	require.Empty(t, h.first.Error)
	h.check()
	h.wellAfterwards()
}

// The same of the vault: nothing that it lists is broken, and no commit is missing in it.
func TestTheVaultIsPulled(t *testing.T) {
	t.Parallel()
	_, v, h := place(t, 160*mib, 64*mib)
	h.write("a", 20, 4000)
	h.do("backup", "")
	h.write("b", 20, 4000)
	v.pull()
	require.Equal(t, 20, h.write("a", 20, 100), "writes need no vault")
	require.NotEmpty(t, h.ask(question{Do: "backup"}).Error)
	h.says("vault")
	h.check()
	h.kill()
	v.plug()
	h.start()
	require.Empty(t, h.first.Error)
	h.do("verify", "")
	h.wellAfterwards()
	h.lossOfData()
}
