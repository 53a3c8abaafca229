package storage

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// filled is a store with tables, value logs and something in memtables.
func filled(t *testing.T) *randomWriter {
	w := newWriter(t, smallStore(t, filepath.Join(t.TempDir(), "live")), 31)
	for range 150 {
		w.commit()
	}
	// Badger flushes on a goroutine of its own.
	require.Eventually(t, func() bool { return len(w.s.db.Tables()) > 0 }, time.Minute, time.Millisecond)
	return w
}

// flip changes one bit of a file.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	require.NoError(t, err)
	b[0] ^= 4
	_, err = f.WriteAt(b[:], at)
	require.NoError(t, err)
}

// Damage in a live file stops the copy, with the table's and the file's name.
func TestImageCopyFindsDamage(t *testing.T) {
	w := filled(t)
	lease, img, _ := w.cut()
	defer lease.Release()
	ctx := context.Background()
	table := img.Tables[0]
	sum, err := img.Copy(ctx, io.Discard, table)
	require.NoError(t, err)
	damaged := func(path string, f func() error) {
		t.Helper()
		var damage *DamageError
		require.ErrorAs(t, f(), &damage)
		require.Equal(t, "things", damage.Table)
		require.Equal(t, path, damage.File)
	}
	copyTable := func() error { _, err := img.Copy(ctx, io.Discard, table); return err }
	for _, at := range []int64{0, table.Size / 2, table.Size - 1} {
		flip(t, table.Path, at)
		damaged(table.Path, copyTable)
		flip(t, table.Path, at)
	}
	require.NoError(t, copyTable())

	logs, err := img.ValueLogs(sum)
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	flip(t, logs[0].Path, 100)
	damaged(logs[0].Path, func() error { return img.CopyLog(ctx, io.Discard, logs[0]) })
	flip(t, logs[0].Path, 100)
	require.NoError(t, img.CopyLog(ctx, io.Discard, logs[0]))

	for _, path := range []string{table.Path, logs[0].Path} {
		require.NoError(t, os.Rename(path, path+".away"))
	}
	damaged(table.Path, copyTable)
	damaged(logs[0].Path, func() error { _, err := img.ValueLogs(sum); return err })
	for _, path := range []string{table.Path, logs[0].Path} {
		require.NoError(t, os.Rename(path+".away", path))
	}
}

// A store that closes waits for an image and ends what it is used for.
func TestImageEndsWithTheStore(t *testing.T) {
	w := filled(t)
	lease, img, _ := w.cut()
	again, err := lease.Image(context.Background())
	require.NoError(t, err)
	require.Same(t, img, again)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = img.Copy(canceled, io.Discard, img.Tables[0])
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, ErrDamaged)

	require.Error(t, w.s.Close(canceled), "it waits for the lease")
	_, err = img.Copy(context.Background(), io.Discard, img.Tables[0])
	require.ErrorIs(t, err, ErrClosed)
	for _, err = range img.Tail() {
		break
	}
	require.ErrorIs(t, err, ErrClosed)
	img.Release()
	img.Release()
	lease.Release()
	closeStore(t, w.s)
}

// What does not belong together never becomes a store.
func TestCompleteRefuses(t *testing.T) {
	w := filled(t)
	other := filled(t)
	for range 20 {
		other.commit()
	}
	require.NoError(t, w.s.commitOne(w, Op{Key: []byte("expires"), Value: []byte("v"), ExpiresAt: time.Now().Add(time.Hour)}))
	lease, img, _ := w.cut()
	defer lease.Release()
	otherLease, otherImg, _ := other.cut()
	defer otherLease.Release()
	for name, spoil := range map[string]func(dir string, r *restored, want *Ledger){
		"an entry of the tail is missing":  func(_ string, r *restored, _ *Ledger) { r.drop(recordRoom) },
		"an entry of the index is missing": func(_ string, r *restored, _ *Ledger) { r.drop(expiryRoom) },
		"the ledger is missing":            func(_ string, r *restored, _ *Ledger) { r.drop('s') },
		"the ledger is another":            func(_ string, _ *restored, want *Ledger) { want.Commits++ },
		"the ledger is older":              func(_ string, _ *restored, want *Ledger) { want.Version-- },
		"a record was changed": func(_ string, r *restored, _ *Ledger) {
			for i, e := range r.tail {
				if e.Key[0] == recordRoom && !e.Deleted {
					r.tail[i].Value[len(e.Value)-1] ^= 1
					return
				}
			}
		},
		"a value log is missing": func(dir string, r *restored, _ *Ledger) {
			require.NoError(t, os.Remove(filepath.Join(dir, ValueLogName(r.logs[0].ID))))
		},
		"a table is left out": func(dir string, r *restored, _ *Ledger) {
			require.NoError(t, os.Remove(filepath.Join(dir, TableName(r.tables[len(r.tables)-1].ID))))
			r.tables = r.tables[:len(r.tables)-1]
		},
		"a table is another store's": func(dir string, r *restored, _ *Ledger) {
			fileOf(t, filepath.Join(dir, TableName(r.tables[0].ID)), func(w io.Writer) {
				_, err := otherImg.Copy(context.Background(), w, otherImg.Tables[len(otherImg.Tables)-1])
				require.NoError(t, err)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "r")
			r, want := img.copyTo(t, dir), lease.Ledger
			spoil(dir, &r, &want)
			require.NoError(t, Assemble(dir, "things", r.tables))
			require.ErrorIs(t, Complete(context.Background(), dir, "things", r.entries, want), ErrDamaged)
		})
	}
}

// drop takes the first entry of the room out of the tail.
func (r *restored) drop(room byte) {
	for i, e := range r.tail {
		if e.Key[0] == room && !e.Deleted {
			r.tail = append(r.tail[:i:i], r.tail[i+1:]...)
			return
		}
	}
	panic("no such entry")
}

// commitOne commits at the writer's next version, unseen by its model.
func (s *Store) commitOne(w *randomWriter, op Op) error {
	w.v++
	out, err := s.Commit(w.v, []Batch{{op}})
	if err == nil {
		err = out.Each[0]
	}
	return err
}

func TestAssembleRefuses(t *testing.T) {
	file := makeTable(10, 10)
	for name, c := range map[string]struct {
		files  []string
		tables []TableFile
		want   error
	}{
		"missing":      {nil, []TableFile{{ID: 1}}, ErrDamaged},
		"stray table":  {[]string{TableName(1), TableName(2)}, []TableFile{{ID: 1}}, ErrInvalid},
		"memtable":     {[]string{TableName(1), "00001.mem"}, []TableFile{{ID: 1}}, ErrInvalid},
		"a store":      {[]string{TableName(1), "MANIFEST"}, []TableFile{{ID: 1}}, ErrInvalid},
		"twice":        {[]string{TableName(1)}, []TableFile{{ID: 1}, {ID: 1}}, ErrInvalid},
		"no id":        {[]string{TableName(0)}, []TableFile{{ID: 0}}, ErrInvalid},
		"no level":     {[]string{TableName(1)}, []TableFile{{ID: 1, Level: maxLevels}}, ErrInvalid},
		"level is low": {[]string{TableName(1)}, []TableFile{{ID: 1, Level: -1}}, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range c.files {
				require.NoError(t, os.WriteFile(filepath.Join(dir, f), file, 0o600))
			}
			require.ErrorIs(t, Assemble(dir, "things", c.tables), c.want)
		})
	}
}

// The value-log files that tables point into are copied as far as they do, keep
// their ids, and are never written again: Badger begins a new one.
func TestValueLogsOfAnImage(t *testing.T) {
	w := filled(t)
	closeStore(t, w.s) // all pointers are in tables now
	w.s = smallStore(t, w.s.dir)
	for range 5 {
		w.commit()
	}
	lease, img, want := w.cut()
	defer lease.Release()
	dir := filepath.Join(t.TempDir(), "r")
	r := img.restore(t, dir)
	require.NotEmpty(t, r.logs)
	s := smallStore(t, dir)
	want.equals(t, s)
	highest := r.logs[len(r.logs)-1].ID
	require.FileExists(t, filepath.Join(dir, ValueLogName(highest+1)))
	big := bytes.Repeat([]byte("v"), 100_000)
	w.v++
	_, err := s.Commit(w.v, []Batch{{{Key: []byte("big"), Value: big}}})
	require.NoError(t, err)
	closeStore(t, s)
	s = smallStore(t, dir)
	got, err := s.Get([]byte("big"))
	require.NoError(t, err)
	require.Equal(t, big, got.Value)
	for _, f := range r.logs {
		info, err := os.Stat(filepath.Join(dir, ValueLogName(f.ID)))
		require.NoError(t, err)
		require.Equal(t, f.Size, info.Size(), "what was copied is what stays")
	}
}

// Why value logs are checked before Badger sees them: it cuts the last one off at the
// first damaged entry, silently, with all that lies behind it.
func TestBadgerTruncatesADamagedValueLog(t *testing.T) {
	w := filled(t)
	closeStore(t, w.s)
	w.s = smallStore(t, w.s.dir)
	lease, img, _ := w.cut()
	defer lease.Release()
	dir := filepath.Join(t.TempDir(), "r")
	r := img.copyTo(t, dir)
	last := r.logs[len(r.logs)-1]
	path := filepath.Join(dir, ValueLogName(last.ID))
	flip(t, path, 100)
	in, err := os.Open(path)
	require.NoError(t, err)
	require.ErrorIs(t, CheckValueLog(in, last.Size), ErrDamaged)
	require.NoError(t, in.Close())
	require.NoError(t, Assemble(dir, "things", r.tables))
	require.ErrorIs(t, Complete(context.Background(), dir, "things", r.entries, lease.Ledger), ErrDamaged)
	info, err := os.Stat(path) // the next open even deleted it, once it was empty
	require.True(t, os.IsNotExist(err) || info.Size() < last.Size)
}
