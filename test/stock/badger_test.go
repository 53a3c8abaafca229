package stock

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"
)

// stockBadger runs the stock tool.
func stockBadger(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("badger")
	if err != nil {
		t.Skip("needs the badger tool (go install github.com/dgraph-io/badger/v4/badger@v4.9.6)")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// The tool that is installed is of the library that Brock is built with.
func TestTheToolIsTheLibrarys(t *testing.T) {
	version := regexp.MustCompile(`dgraph-io/badger/v4(?:/badger)?[@ ](v[0-9.]+)`)
	for _, file := range []string{"go.mod", ".ci/run", "test/stock/badger_test.go"} {
		b, err := os.ReadFile(filepath.Join("..", "..", file))
		require.NoError(t, err)
		found := version.FindSubmatch(b)
		require.NotNil(t, found, file)
		require.Equal(t, "v4.9.6", string(found[1]), "%s: all of them go together", file)
	}
}

// record is what either side shows of a record.
type record struct {
	value   string
	version uint64
	expires uint64 // seconds
}

func openHub(t *testing.T) *app.Hub {
	h, err := app.Open(t.Context(), app.Config{Data: t.TempDir(), Tables: []string{"jobs", "copy"}, Offline: true, MinFree: -1,
		Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	return h
}

func tableOf(t *testing.T, h *app.Hub, name string) *app.Table {
	table, err := h.Table(name)
	require.NoError(t, err)
	return table
}

func inTable(t *testing.T, table *app.Table) map[string]record {
	all := map[string]record{}
	for r, err := range table.Scan(t.Context(), app.Range{}) {
		require.NoError(t, err)
		rec := record{value: string(r.Value), version: uint64(r.Version)}
		if !r.ExpiresAt.IsZero() {
			rec.expires = uint64(r.ExpiresAt.Unix())
		}
		all[string(r.Key)] = rec
	}
	return all
}

func openStore(t *testing.T, dir string) *badger.DB {
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil))
	require.NoError(t, err)
	return db
}

func inStore(t *testing.T, dir string) map[string]record {
	db := openStore(t, dir)
	all := map[string]record{}
	require.NoError(t, db.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			value, err := it.Item().ValueCopy(nil)
			require.NoError(t, err)
			all[string(it.Item().KeyCopy(nil))] = record{string(value), it.Item().Version(), it.Item().ExpiresAt()}
		}
		return nil
	}))
	require.NoError(t, db.Close())
	return all
}

// export writes the table as brock export --format badger does.
func export(t *testing.T, h *app.Hub, table, snapshot string) string {
	var file bytes.Buffer
	req := map[string]any{"table": table, "format": "badger", "snapshot": snapshot}
	for {
		var piece struct {
			Stream []byte `json:"stream_base64"`
			Cursor string `json:"cursor"`
		}
		require.NoError(t, remote.Call(t.Context(), h, "records.scan", req, &piece))
		file.Write(piece.Stream)
		if piece.Cursor == "" {
			break
		}
		req = map[string]any{"cursor": piece.Cursor}
	}
	name := filepath.Join(t.TempDir(), "table.bak")
	require.NoError(t, os.WriteFile(name, file.Bytes(), 0o600))
	return name
}

// What Brock exports the stock tool restores: the same bytes at the same versions,
// from the live table and from a snapshot.
func TestStockRestoreReadsAnExport(t *testing.T) {
	h := openHub(t)
	jobs := tableOf(t, h, "jobs")
	for i := range 40 {
		var b app.Batch
		for j := range 100 {
			op := app.Op{Key: fmt.Appendf(nil, "%d/%d", i, j), Value: bytes.Repeat([]byte{byte(j)}, j*10)}
			if j%7 == 0 {
				op.ExpiresAt = time.Unix(time.Now().Unix()+3600, 0)
			}
			b = append(b, op)
		}
		_, err := jobs.Apply(t.Context(), b)
		require.NoError(t, err)
	}
	_, err := jobs.Put(t.Context(), []byte{0xff, 0}, bytes.Repeat([]byte("large"), 1<<20))
	require.NoError(t, err)
	_, err = h.Backup(t.Context())
	require.NoError(t, err)
	want := inTable(t, jobs)
	for _, from := range []string{"", "latest"} {
		dir := filepath.Join(t.TempDir(), "store")
		stockBadger(t, "restore", "--dir", dir, "--backup-file", export(t, h, "jobs", from))
		require.Equal(t, want, inStore(t, dir), "snapshot %q", from)
		_, err = jobs.Delete(t.Context(), []byte("1/1")) // the snapshot still has it
		require.NoError(t, err)
	}
}

// What the stock tool backs up Brock imports: versions, deletions and expiry as its
// owner sees them.
func TestStockBackupIsImported(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	db := openStore(t, dir)
	for i := range 30 {
		require.NoError(t, db.Update(func(txn *badger.Txn) error {
			for j := range 100 {
				key := fmt.Appendf(nil, "k%03d", (i*37+j*11)%500)
				if (i+j)%5 == 0 {
					if err := txn.Delete(key); err != nil {
						return err
					}
					continue
				}
				e := badger.NewEntry(key, bytes.Repeat([]byte{byte(i)}, 1+j*20))
				if j%9 == 0 {
					e = e.WithTTL(time.Hour)
				}
				if j == 50 {
					e.ExpiresAt = 1 // long ago
				}
				if err := txn.SetEntry(e); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	require.NoError(t, db.Close())
	want := inStore(t, dir)
	file := filepath.Join(t.TempDir(), "store.bak")
	stockBadger(t, "backup", "--dir", dir, "--backup-file", file)
	backup, err := os.Open(file)
	require.NoError(t, err)
	defer backup.Close()

	h := openHub(t)
	stock, err := remote.OpenStock(t.Context(), t.TempDir(), backup, "copy")
	require.NoError(t, err)
	var lines bytes.Buffer
	_, err = lines.ReadFrom(stock)
	require.NoError(t, err)
	require.NoError(t, stock.Close())
	n, err := remote.Import(t.Context(), h, lines.Bytes())
	require.NoError(t, err)
	require.Equal(t, len(want), n)
	got := inTable(t, tableOf(t, h, "copy"))
	for key, r := range got { // a table has its own versions
		r.version = want[key].version
		got[key] = r
	}
	require.Equal(t, want, got)
}
