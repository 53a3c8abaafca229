// Package two has two of everything: hubs on one directory and on one vault, runs,
// restores, and messages.
package two

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/brockdb/brock/app"
	_ "github.com/brockdb/brock/test/roomy"
	"github.com/stretchr/testify/require"
)

const childVar = "BROCK_TWO_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		rival(dir)
		return
	}
	os.Exit(m.Run())
}

func config(dir string) app.Config {
	return app.Config{Data: dir, Tables: []string{"a", "b"}, MinFree: -1, Schedule: "off", Offline: true, Logger: slog.New(slog.DiscardHandler)}
}

// rival is a process that wants the directory: it says that it was refused, or what it
// has written, and then waits for its end.
func rival(dir string) {
	ctx := context.Background()
	h, err := app.Open(ctx, config(dir))
	if errors.Is(err, app.ErrRunning) {
		fmt.Println("refused")
		return
	}
	key := fmt.Sprint(os.Getpid())
	var t *app.Table
	if err == nil {
		t, err = h.Table("a")
	}
	if err == nil {
		_, err = t.Put(ctx, []byte(key), []byte("v"))
	}
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("wrote", key)
	select {} // until killed
}

// Of any number of processes that start on one directory at once, exactly one gets it,
// be the directory new or what a kill has left.
func TestManyProcessesOnOneDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	var written []string
	for range 4 {
		written = append(written, race(t, dir, dir, dir, dir)...)
	}
	written = append(written, race(t, dir, link, dir, link)...) // by whatever name
	require.Len(t, written, 5)
	h, err := app.Open(t.Context(), config(dir))
	require.NoError(t, err)
	a, err := h.Table("a")
	require.NoError(t, err)
	for _, key := range written {
		_, err := a.Get(t.Context(), []byte(key))
		require.NoError(t, err, "what a process wrote that had the directory")
	}
	require.NoError(t, h.Close(t.Context()))
}

// race starts a process for each of the names of one directory, and kills the one that
// got it when all others have been refused. It returns what that one wrote.
func race(t *testing.T, dirs ...string) (written []string) {
	var mu sync.Mutex
	var all sync.WaitGroup
	said := make(chan string, len(dirs))
	for _, dir := range dirs {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childVar+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		all.Go(func() {
			lines := bufio.NewScanner(out)
			lines.Scan()
			line := lines.Text()
			said <- line
			if key, ok := strings.CutPrefix(line, "wrote "); ok {
				mu.Lock()
				written = append(written, key)
				mu.Unlock()
			}
		})
		defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	}
	all.Wait()
	close(said)
	refused := 0
	for line := range said {
		if line == "refused" {
			refused++
		} else {
			require.Contains(t, line, "wrote ")
		}
	}
	require.Equal(t, len(dirs)-1, refused)
	return written
}
