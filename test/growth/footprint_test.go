// Package growth measures what tables cost that do nothing, and how that grows.
package growth

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/disk"
	"github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"
)

const (
	childVar = "BROCK_GROWTH_CHILD"
	peerVar  = "BROCK_GROWTH_PEER"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		if os.Getenv(peerVar) != "" {
			peer(dir)
		} else {
			child(dir)
		}
		return
	}
	if told := os.Getenv(curveVar); told != "" {
		if err := curveChild(told); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func config(dir string, tables int) app.Config {
	cfg := app.Config{Data: dir, MinFree: -1, Logger: slog.New(slog.DiscardHandler)}
	for i := range tables {
		cfg.Tables = append(cfg.Tables, fmt.Sprintf("table-%03d", i))
	}
	return cfg
}

// child opens thirteen tables, says how long that took, and idles until it is told to end.
func child(dir string) {
	began := time.Now()
	h, err := app.Open(context.Background(), config(dir, 13))
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("ready", time.Since(began).Milliseconds())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	if err := h.Close(context.Background()); err != nil {
		fmt.Println("error", err)
	}
}

// peer is the same with Badger as it comes, and nothing else.
func peer(dir string) {
	began := time.Now()
	var dbs []*badger.DB
	for i := range 13 {
		db, err := badger.Open(badger.DefaultOptions(filepath.Join(dir, fmt.Sprint(i))).WithLogger(nil))
		if err != nil {
			fmt.Println("error", err)
			return
		}
		dbs = append(dbs, db)
	}
	fmt.Println("ready", time.Since(began).Milliseconds())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	for _, db := range dbs {
		if err := db.Close(); err != nil {
			fmt.Println("error", err)
		}
	}
}

// idle is what a process with thirteen tables is like once they are open.
type idle struct {
	ms, residentKB int
	real, apparent int64
}

func measure(t *testing.T, dir string, env ...string) (m idle) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childVar+"="+dir), env...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Sscanf(line, "ready %d", &m.ms)
	require.NoError(t, err, line)
	m.residentKB = residentKB(t, cmd.Process.Pid)
	m.real, m.apparent, err = disk.Usage(dir)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
	return m
}

// TestThirteenIdleTables holds a whole hub with thirteen idle tables to its size
// in memory and on the disk, and its restart to a second and a half.
func TestThirteenIdleTables(t *testing.T) {
	dir, peerDir := t.TempDir(), t.TempDir()
	quickest := math.MaxInt // another process may hold up one of them
	for _, start := range []string{"first start", "restart", "restart", "restart"} {
		for who, m := range map[string]idle{"brock": measure(t, dir), "default Badger, no hub": measure(t, peerDir, peerVar+"=1")} {
			t.Logf("%s, %s: %d ms, %d MB resident, %.1f MB on the disk, %d MB apparent",
				start, who, m.ms, m.residentKB>>10, float64(m.real)/(1<<20), m.apparent>>20)
			if who != "brock" {
				continue
			}
			if !underRace {
				require.Less(t, m.residentKB, 64<<10, "resident memory in KB")
			}
			require.Less(t, m.real, int64(20<<20), "bytes on the disk")
			require.Less(t, m.apparent, int64(2<<30), "apparent bytes")
			if start == "restart" {
				quickest = min(quickest, m.ms)
			}
		}
	}
	require.Less(t, quickest, 1500, "milliseconds of a restart")
}

func residentKB(t *testing.T, pid int) int {
	b, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "status"))
	if err != nil {
		t.Skip("needs /proc to read a process's memory:", err)
	}
	for l := range strings.Lines(string(b)) {
		var kb int
		if n, _ := fmt.Sscanf(l, "VmRSS: %d kB", &kb); n == 1 {
			return kb
		}
	}
	t.Fatal("no VmRSS in /proc")
	return 0
}

// TestAHundredTables opens a hundred tables, writes to each, and backs them up.
func TestAHundredTables(t *testing.T) {
	ctx := context.Background()
	h, err := app.Open(ctx, config(t.TempDir(), 100))
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close(ctx)) }()
	for _, name := range h.Tables() {
		tb, err := h.Table(name)
		require.NoError(t, err)
		_, err = tb.Put(ctx, []byte("k"), []byte(name))
		require.NoError(t, err)
	}
	run, err := h.Backup(ctx)
	require.NoError(t, err)
	require.Equal(t, 100, run.TablesSuccess)
	t.Logf("backup of 100 tables: %.0f ms, longest pause %.2f ms", run.DurationMS, run.PauseMS)
}
