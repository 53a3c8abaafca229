// Package crash kills a hub, really and at random moments, and looks at what is left.
package crash

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
)

var (
	kills = flag.Int("kills", 20, "how often to kill the hub")
	seed  = flag.Uint64("seed", 0, "seed of the moments; 0 takes one from the clock")
)

const childVar = "BROCK_CRASH_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		child(dir)
		return
	}
	os.Exit(m.Run())
}

var tables = []string{"task", "task_queue", "rolled"}

func config(dir string) app.Config {
	return app.Config{Data: dir, Tables: tables, Keep: 2, MinFree: -1, Schedule: "off", Logger: slog.New(slog.DiscardHandler)}
}

// TestKilledAtRandomMoments kills a hub that commits, backs up, restores and
// compacts, starts it again, and holds it to what it had acknowledged.
func TestKilledAtRandomMoments(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 1))
	dir := t.TempDir()
	acked := map[string]int64{} // by writer: the last number that was acknowledged
	total, backups := 0, 0
	for k := range *kills {
		n, b := killOnce(t, dir, time.Duration(rng.IntN(400))*time.Millisecond, acked)
		total, backups = total+n, backups+b
		inspect(t, dir, acked, k)
	}
	t.Logf("%d kills, %d acknowledged writes, %d backups: none lost, none torn, no snapshot unreadable", *kills, total, backups)
	require.Positive(t, backups)
}

// TestKilledDuringTheFirstStart kills hubs that have just begun to make their
// tables: what is left is a hub that starts with all its tables.
func TestKilledDuringTheFirstStart(t *testing.T) {
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
	for range max(*kills/2, 1) {
		dir := t.TempDir()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVar+"="+dir)
		require.NoError(t, cmd.Start())
		timer := time.AfterFunc(time.Duration(rng.IntN(200))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // it was killed
		timer.Stop()
		inspect(t, dir, nil, 0)
	}
}

// killOnce runs the hub in a process of its own, kills it after the delay, and
// takes down what it had acknowledged.
func killOnce(t *testing.T, dir string, delay time.Duration, acked map[string]int64) (writes, backups int) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "the hub did not start")
	require.Equal(t, "ready", lines.Text())
	timer := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for lines.Scan() {
		word := strings.Fields(lines.Text())
		switch {
		case len(word) == 3 && word[0] == "ack":
			n, err := strconv.ParseInt(word[2], 10, 64)
			require.NoError(t, err)
			acked[word[1]] = n
			writes++
		case len(word) == 1 && word[0] == "backup":
			backups++
		case len(word) > 0 && word[0] == "error":
			t.Error(lines.Text())
		}
	}
	_ = cmd.Wait() // it was killed
	return writes, backups
}

// inspect opens what is left.
func inspect(t *testing.T, dir string, acked map[string]int64, kill int) {
	ctx := context.Background()
	cfg := config(dir)
	cfg.Offline = true
	h, err := app.Open(ctx, cfg)
	require.NoError(t, err, "kill %d", kill)
	for _, name := range tables {
		tb, err := h.Table(name)
		require.NoError(t, err)
		_, err = tb.Count(ctx)
		require.NoError(t, err, "kill %d", kill)
		values := map[string]int64{}
		for r, err := range tb.Scan(ctx, app.Range{}) { // ends by comparing with the ledger
			require.NoError(t, err, "kill %d", kill)
			if values[string(r.Key)], err = strconv.ParseInt(string(r.Value), 10, 64); err != nil {
				t.Fatalf("kill %d: key %q holds %q", kill, r.Key, r.Value)
			}
		}
		for key, n := range values {
			if half, ok := strings.CutSuffix(key, "/first"); ok {
				require.Equal(t, n, values[half+"/second"], "kill %d: table %s: half of batch %s", kill, name, half)
			}
		}
		for writer, n := range acked {
			if strings.HasPrefix(writer, name+"/") {
				require.GreaterOrEqual(t, values[writer+"/first"], n, "kill %d: an acknowledged write of %s is lost", kill, writer)
			}
		}
	}
	report, err := h.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, report.Problems, "kill %d", kill)
	require.NoError(t, h.Close(ctx)) // a live hub has unfinished files of its own
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".tmp-") && !strings.Contains(path, "jetstream") {
			t.Errorf("kill %d: left over: %s", kill, path)
		}
		return err
	}))
}

// child is the hub that is killed.
func child(dir string) {
	ctx := context.Background()
	h, err := app.Open(ctx, config(dir))
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("ready")
	for _, name := range []string{"task", "task_queue"} {
		for w := range 4 {
			go write(h, name, w)
		}
	}
	go write(h, "rolled", 0)
	go maintain(h)
	select {} // until killed
}

func fail(what string, err error) { fmt.Println("error", what, err) }

// write commits batches of two keys and tells of each that was acknowledged.
func write(h *app.Hub, table string, w int) {
	ctx := context.Background()
	tb, err := h.Table(table)
	if err != nil {
		fail("table", err)
		return
	}
	name := fmt.Sprintf("%s/%d", table, w)
	first, second := []byte(name+"/first"), []byte(name+"/second")
	n := int64(0)
	if r, err := tb.Get(ctx, first); err == nil {
		n, _ = strconv.ParseInt(string(r.Value), 10, 64)
	}
	for {
		n++
		value := strconv.AppendInt(nil, n, 10)
		if _, err := tb.Apply(ctx, app.Batch{{Key: first, Value: value}, {Key: second, Value: value}}); err != nil {
			fail("write", err)
			return
		}
		if table != "rolled" { // which restores take back
			fmt.Println("ack", name, n)
		}
	}
}

// maintain backs up, restores and compacts in turn.
func maintain(h *app.Hub) {
	ctx := context.Background()
	for i := 0; ; i++ {
		if _, err := h.Backup(ctx); err != nil {
			fail("backup", err)
			return
		}
		fmt.Println("backup")
		if out, err := h.Restore(ctx, app.RestoreRequest{Tables: []string{"rolled"}}); err != nil || out.Status != app.StatusRestored {
			fail("restore", fmt.Errorf("%w %+v", err, out))
			return
		}
		if c, err := h.Compact(ctx, tables[i%len(tables)]); err != nil || c.Status != app.StatusComplete {
			fail("compact", fmt.Errorf("%w %+v", err, c))
			return
		}
	}
}
