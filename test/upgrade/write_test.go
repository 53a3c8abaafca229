package upgrade

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

// tables: large has files, values in the value log and chains; small is frames alone;
// moved was restored; due has records that expire.
var tables = []string{"large", "small", "moved", "due"}

// account is what an archive holds.
type account struct {
	Release string
	Moments []moment
}

// moment is what the whole hub was at a version.
type moment struct {
	Version app.Version
	Tables  map[string]content
}

type content struct {
	Records int
	SHA256  string // over all keys and values in order
}

func config(dir string) app.Config {
	c := app.Config{Data: filepath.Join(dir, "data"), Vault: filepath.Join(dir, "vault"), Tables: tables, Schedule: "off",
		Keep: 4, DrillEvery: -1, ScrubEvery: -1, CompactEvery: -1, MinFree: -1, Logger: slog.New(slog.DiscardHandler)}
	c.Hooks.Vault = func(o *vault.Options) { o.ImageMin, o.ChainMin = 8<<10, 8<<10 } // so that little data has every kind of snapshot
	return c
}

func contentOf(records iter.Seq2[app.Record, error]) (c content, err error) {
	sum := sha256.New()
	for r, err := range records {
		if err != nil {
			return c, err
		}
		c.Records++
		fmt.Fprintf(sum, "%d %s %d %s ", len(r.Key), r.Key, len(r.Value), r.Value)
	}
	c.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return c, nil
}

func contents(ctx context.Context, h *app.Hub) (map[string]content, error) {
	all := map[string]content{}
	for _, name := range h.Tables() {
		t, err := h.Table(name)
		if err == nil {
			all[name], err = contentOf(t.Scan(ctx, app.Range{}))
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// life is one process's work on the hub; n tells it from others.
type life struct {
	h   *app.Hub
	n   int
	acc *account
}

func (l *life) put(table string, from, to, size int) error {
	t, err := l.h.Table(table)
	if err != nil {
		return err
	}
	var b app.Batch
	for i := from; i < to; i++ {
		key := fmt.Sprintf("key-%04d", i)
		b = append(b, app.Op{Key: []byte(key), Value: []byte(strings.Repeat(fmt.Sprintf("%s of life %d. ", key, l.n), size/20+1))})
	}
	_, err = t.Apply(context.Background(), b)
	return err
}

func (l *life) remove(table string, from, to int) error {
	t, err := l.h.Table(table)
	if err != nil {
		return err
	}
	var keys [][]byte
	for i := from; i < to; i++ {
		keys = append(keys, fmt.Appendf(nil, "key-%04d", i))
	}
	_, err = t.Delete(context.Background(), keys...)
	return err
}

// expire writes a record that is long due, and one that is not for long.
func (l *life) expire() error {
	t, err := l.h.Table("due")
	for i, at := range []time.Time{time.Now().Add(20 * time.Millisecond), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if err == nil {
			_, err = t.PutUntil(context.Background(), fmt.Appendf(nil, "until-%d-%d", l.n, i), []byte("x"), at)
		}
	}
	return err
}

// note takes down what the hub is now. The version is of a write of its own, the newest.
func (l *life) note() error {
	ctx := context.Background()
	t, err := l.h.Table("small")
	if err != nil {
		return err
	}
	<-time.After(50 * time.Millisecond) // so that what is due by then is due at the version
	v, err := t.Put(ctx, []byte("note"), strconv.AppendInt(nil, int64(len(l.acc.Moments)), 10))
	if err != nil {
		return err
	}
	all, err := contents(ctx, l.h)
	l.acc.Moments = append(l.acc.Moments, moment{v, all})
	return err
}

func (l *life) backup(names ...string) error {
	_, err := l.h.Backup(context.Background(), names...)
	return err
}

// work is what every life does: each kind of snapshot, values of each kind, deletes,
// expiry, a restore, a compaction, a drill.
func (l *life) work() error {
	ctx := context.Background()
	return errors.Join(
		l.put("large", 0, 300, 300), l.put("large", 300, 303, 70<<10), l.put("small", 0, 20, 40), l.put("moved", 0, 50, 100),
		l.expire(), l.note(), l.backup(),
		l.remove("large", 10, 60), l.put("large", 100, 130, 200), l.put("moved", 0, 10, 20), l.note(), l.backup(),
		func() error {
			_, err := l.h.Restore(ctx, app.RestoreRequest{Tables: []string{"moved"}})
			return err
		}(),
		l.remove("moved", 40, 45), l.note(), l.backup("moved", "small"),
		func() error { _, err := l.h.Drill(ctx); return err }(),
		func() error { _, err := l.h.Compact(ctx, "large"); return err }(),
		l.put("large", 301, 302, 50<<10), l.note(), l.backup(), l.put("small", 5, 9, 10), l.note())
}

// write makes the archives of this release: three processes work on a hub, the last of
// which is killed.
func write(t *testing.T) {
	dir := t.TempDir()
	release := filepath.Join("testdata", app.Release)
	for n := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVar+"="+dir, fmt.Sprint(lifeVar, "=", n))
		cmd.Stderr = os.Stderr
		err := cmd.Run()
		if n < 2 {
			require.NoError(t, err)
		}
		if n == 1 {
			pack(t, dir, filepath.Join(release, "closed.tar.zst"))
		}
	}
	pack(t, dir, filepath.Join(release, "killed.tar.zst"))
}

const childVar, lifeVar = "BROCK_UPGRADE_CHILD", "BROCK_UPGRADE_LIFE"

// child is one life. The third dies without closing anything.
func child(dir string) error {
	ctx := context.Background()
	n, err := strconv.Atoi(os.Getenv(lifeVar))
	if err != nil {
		return err
	}
	acc := &account{Release: app.Release}
	file := filepath.Join(dir, "account.json")
	if b, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(b, acc); err != nil {
			return err
		}
	}
	h, err := app.Open(ctx, config(dir))
	if err != nil {
		return err
	}
	l := &life{h: h, n: n, acc: acc}
	if err := l.work(); err != nil {
		return err
	}
	b, err := json.MarshalIndent(acc, "", "\t")
	if err = errors.Join(err, os.WriteFile(file, b, 0o600)); err != nil || n < 2 {
		return errors.Join(err, h.Close(ctx))
	}
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	_ = p.Kill()
	select {}
}

// sorted returns the archives there are.
func sorted(t *testing.T) []string {
	found, err := filepath.Glob(filepath.Join("testdata", "*", "*.tar.zst"))
	require.NoError(t, err)
	slices.Sort(found)
	return found
}
