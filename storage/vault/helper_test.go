package vault

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"
)

var (
	me    = Owner{Hub: "hub", ID: "hub-1"}
	epoch = time.Date(2026, 11, 22, 21, 4, 5, 123e6, time.UTC)
)

// cutAt is the cut so many minutes after the epoch.
func cutAt(minutes int) storage.Version {
	return storage.VersionAt(epoch.Add(time.Duration(minutes)*time.Minute)) + 7
}

// runAt is the fixed id of the run at that cut.
func runAt(minutes int) string { return fmt.Sprintf("run%09d", minutes) }

func nameAt(minutes int) string { return SnapshotName(cutAt(minutes), runAt(minutes)) }

// entry is a sealed record, made after the layout that storage/record.go documents.
func entry(key, value string, v storage.Version, expires time.Time) storage.Entry {
	var flags byte
	var at uint64
	if !expires.IsZero() {
		flags, at = 1, uint64(expires.UnixMilli())
	}
	head := binary.BigEndian.AppendUint64(nil, uint64(len(key)))
	head = binary.BigEndian.AppendUint64(head, uint64(v))
	head = binary.BigEndian.AppendUint64(append(head, flags), at)
	h := xxh3.Hash128(slices.Concat(head, []byte(key), []byte(value)))
	env := []byte{1, flags}
	if flags == 1 {
		env = binary.BigEndian.AppendUint64(env, at)
	}
	env = binary.BigEndian.AppendUint64(env, h.Hi)
	return storage.Entry{Key: []byte(key), Version: v, Envelope: append(env, value...)}
}

// records makes n entries below the cut of minute 0.
func records(n int) []storage.Entry {
	var es []storage.Entry
	for i := range n {
		es = append(es, entry(fmt.Sprintf("key-%06d", i), fmt.Sprintf("value of %d", i), cutAt(0)-storage.Version(i+1), time.Time{}))
	}
	return es
}

func ledgerOf(t testing.TB, es []storage.Entry) storage.Ledger {
	var l storage.Ledger
	for _, e := range es {
		r, h, problem := e.Open()
		require.Empty(t, problem)
		l.Add(&r, h)
		l.Version = max(l.Version, e.Version)
	}
	return l
}

func seq(es []storage.Entry) iter.Seq2[storage.Entry, error] {
	return func(yield func(storage.Entry, error) bool) {
		for _, e := range es {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func openVault(t testing.TB, fsys disk.FS, dir string) *Vault {
	t.Helper()
	v, err := Open(fsys, dir, me, Options{Lock: lockOf(fsys)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = v.Close() })
	return v
}

// lockOf takes locks where the file system has them.
func lockOf(fsys disk.FS) func(string) (func() error, error) {
	return func(file string) (func() error, error) { return disktest.TryLock(fsys, file) }
}

func newTestVault(t testing.TB) *Vault {
	return openVault(t, disk.OS, filepath.Join(t.TempDir(), "vault"))
}

// backup writes and records one run of the tables, all with the same entries.
func backup(t testing.TB, v *Vault, minute int, es []storage.Entry, tables ...string) []Snapshot {
	t.Helper()
	snaps, err := tryBackup(t, v, minute, es, tables...)
	require.NoError(t, err)
	return snaps
}

func tryBackup(t testing.TB, v *Vault, minute int, es []storage.Entry, tables ...string) ([]Snapshot, error) {
	run := Run{ID: runAt(minute), Hub: "hub", Trigger: "api", Cut: cutAt(minute), StartedAt: At(epoch), BackupDir: v.Dir()}
	var snaps []Snapshot
	for _, table := range tables {
		s, err := v.WriteSnapshot(t.Context(), SnapshotSpec{Table: table, Run: run.ID, Cut: run.Cut, Ledger: ledgerOf(t, es)}, Source{Entries: seq(es)}, WriteOptions{})
		if err != nil {
			return snaps, err
		}
		if rec, ok := v.fs.(*disktest.Recorder); ok {
			rec.Mark(table)
		}
		snaps = append(snaps, s)
		run.Results = append(run.Results, s.Result(time.Second, time.Millisecond))
	}
	run.Tally()
	return snaps, v.WriteRun(run)
}

// fakeBuild reads and counts the entries, as storage.Build does, and makes no store.
func fakeBuild(_ context.Context, dir, table string, entries iter.Seq2[storage.Entry, error], want storage.Ledger) error {
	var got storage.Ledger
	for e, err := range entries {
		if err != nil {
			return err
		}
		r, h, problem := e.Open()
		if problem != "" {
			return errors.New(problem)
		}
		got.Add(&r, h)
	}
	if !want.Agrees(got) {
		return errors.New(want.Differs(got))
	}
	return disk.OS.MkdirAll(dir)
}

func readAll(t testing.TB, v *Vault, table, name string) []storage.Entry {
	t.Helper()
	_, entries, err := v.Entries(t.Context(), table, name)
	require.NoError(t, err)
	var got []storage.Entry
	for e, err := range entries {
		require.NoError(t, err)
		got = append(got, e)
	}
	return got
}

func sameEntries(t testing.TB, want, got []storage.Entry) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].Version, got[i].Version)
		require.True(t, bytes.Equal(want[i].Key, got[i].Key) && bytes.Equal(want[i].Envelope, got[i].Envelope), "entry %d", i)
	}
}

// clean asserts that verify finds nothing.
func clean(t testing.TB, v *Vault) Report {
	t.Helper()
	rep, err := v.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, rep.Problems)
	require.Equal(t, StatusOK, rep.Status)
	return rep
}

// problems asserts that verify finds something, and returns it.
func problems(t testing.TB, v *Vault) []Problem {
	t.Helper()
	rep, err := v.Verify(t.Context())
	require.NoError(t, err)
	require.Equal(t, StatusFailed, rep.Status)
	require.NotEmpty(t, rep.Problems)
	return rep.Problems
}

func listed(t testing.TB, v *Vault, tables ...string) []string {
	t.Helper()
	l, err := v.List(tables...)
	require.NoError(t, err)
	names := []string{}
	for _, s := range l.Snapshots {
		names = append(names, s.Table+"/"+s.Name)
	}
	return names
}

func randomEntries(rnd *rand.Rand, n, size int) []storage.Entry {
	m := map[string]storage.Entry{}
	for range n {
		key := make([]byte, 1+rnd.IntN(40))
		value := make([]byte, rnd.IntN(size))
		for i := range key {
			key[i] = byte(rnd.Uint32())
		}
		for i := range value {
			value[i] = byte(rnd.Uint32())
		}
		m[string(key)] = entry(string(key), string(value), 1+storage.Version(rnd.Uint64N(uint64(cutAt(0)))), time.Time{})
	}
	var es []storage.Entry
	for _, k := range slices.Sorted(maps.Keys(m)) {
		es = append(es, m[k])
	}
	return es
}

func overwrite(t testing.TB, file string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, data, 0o600))
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return data
}
