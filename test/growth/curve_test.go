package growth

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/brockdb/brock/storage/disk"
	"github.com/dustin/go-humanize"
	"github.com/stretchr/testify/require"
)

var (
	tablesFlag = flag.String("tables", "3,6", "numbers of tables to measure; the long run: 13,100,300")
	sizesFlag  = flag.String("sizes", "1MB,3MB", "logical sizes of one table to measure; the long run: 10MB,100MB,1GB,4GB")
	outFlag    = flag.String("out", "", "folder for the table and the picture; default none")
)

// point is a hub of a size, and what it takes to work with it.
type point struct {
	Tables int
	Bytes  int64 // of keys and values, in all tables

	StartMS, BackupMS, NextMS, RestoreMS, PauseMS float64
	BackupBytes, NextBytes                        int64
	IdleMB, PeakMB                                float64 // anonymous memory
}

// TestGrowth measures hubs that differ in one thing, each in a process of its own, and
// draws how each figure grows with it.
//
//	go test -count=1 -timeout 0 -v -run Growth ./test/growth -args -tables 13,100,300 -sizes 10MB,100MB,1GB,4GB -out DIR
func TestGrowth(t *testing.T) {
	var byTables, bySize []point
	for _, text := range strings.Split(*tablesFlag, ",") {
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		byTables = append(byTables, measured(t, n, int64(n)<<20))
	}
	for _, text := range strings.Split(*sizesFlag, ",") {
		size, err := humanize.ParseBytes(text)
		require.NoError(t, err)
		if free, _, err := disk.Free(t.TempDir()); err == nil && free < 6*size {
			t.Logf("%s left out: it needs %s of disk, %s are free", text, humanize.Bytes(6*size), humanize.Bytes(free))
			continue
		}
		bySize = append(bySize, measured(t, 1, int64(size)))
	}
	text := listing("1 MiB in each table", byTables) + "\n" + listing("one table", bySize)
	t.Log("\n" + text)
	if *outFlag != "" {
		require.NoError(t, os.MkdirAll(*outFlag, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(*outFlag, "growth.md"), []byte(text), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(*outFlag, "growth.svg"), []byte(picture(byTables, bySize)), 0o644))
	}
}

// measured fills, closes and works with a hub in processes of their own.
func measured(t *testing.T, tables int, size int64) (p point) {
	dir, err := os.MkdirTemp(t.TempDir(), "hub")
	require.NoError(t, err)
	for _, what := range []string{"fill", "work"} {
		told, err := json.Marshal(task{Dir: dir, What: what, Tables: tables, Bytes: size})
		require.NoError(t, err)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), curveVar+"="+string(told))
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		require.NoError(t, err, "%s", out)
		if what == "work" {
			require.NoError(t, json.Unmarshal(out, &p), "%s", out)
		}
	}
	require.NoError(t, os.RemoveAll(dir))
	require.Positive(t, p.BackupMS)
	require.Positive(t, p.RestoreMS)
	return p
}

func listing(title string, points []point) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| tables | bytes | start ms | backup ms | next ms | copied | copied next | restore ms | pause ms | idle MB | peak MB |\n|---|---|---|---|---|---|---|---|---|---|---|\n", title)
	for _, p := range points {
		fmt.Fprintf(&b, "| %d | %s | %.0f | %.0f | %.0f | %s | %s | %.0f | %.2f | %.0f | %.0f |\n", p.Tables, humanize.Bytes(uint64(p.Bytes)), p.StartMS,
			p.BackupMS, p.NextMS, humanize.Bytes(uint64(p.BackupBytes)), humanize.Bytes(uint64(p.NextBytes)), p.RestoreMS, p.PauseMS, p.IdleMB, p.PeakMB)
	}
	return b.String()
}
