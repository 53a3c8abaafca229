package busfaults

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// The server goes and comes; backups do not notice, and whoever listened hears of each
// of them, once and in order.
func TestTheServerGoesAndComes(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	s, err := h.Client(bus.Viewer).Events(h.Context(), bus.SubscribeOptions{})
	require.NoError(t, err)
	runs := back(h, 1)
	for range *rounds {
		h.StopNATS()
		runs = append(runs, back(h, 5)...)
		h.StartNATS()
		runs = append(runs, back(h, 1)...)
	}
	completes(t, s, runs)
	require.Zero(t, s.Dropped())
}

// A client's wire is cut, also while it waits for an answer: the work goes on, the run
// can be asked for, and a subscriber misses nothing.
func TestAClientIsCutOff(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	p := newProxy(t, h.Hub())
	dial := func(role bus.Role) *bus.Client {
		cred, _ := h.Hub().Credentials().Role(role)
		c, err := bus.Dial(bounded(t), p.url(), cred, role)
		require.NoError(t, err)
		t.Cleanup(c.Close)
		return c
	}
	s, err := dial(bus.Viewer).Events(h.Context(), bus.SubscribeOptions{})
	require.NoError(t, err)
	var runs []string
	for range *rounds {
		recording := h.FS.On(harness.OpRename, "vault/runs/*").Hold()
		h.Put("a", "k", "v")
		asker := dial(bus.Operator)
		gone, leave := context.WithCancel(bounded(t))
		asked := make(chan error, 1)
		go func() { asked <- asker.Request(gone, h.Hub().Name(), "backup", nil, nil) }()
		recording.Wait()
		p.cut()
		leave()
		require.Error(t, <-asked)
		recording.Lift()
		e := h.Expect(harness.BackupComplete(""))
		runs = append(runs, runOf(t, e))
		var run struct{ Status app.Status }
		require.NoError(t, dial(bus.Viewer).Request(bounded(t), h.Hub().Name(), "run", map[string]string{"run": runs[len(runs)-1]}, &run))
		require.Equal(t, app.StatusComplete, run.Status)
	}
	completes(t, s, runs)
	require.Zero(t, s.Dropped())
}

// Subscribers that read nothing, well-behaved ones and ones that only hold the wire,
// cost no memory that grows and nobody else's events.
func TestSlowSubscribers(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	s, err := h.Client(bus.Viewer).Events(h.Context(), bus.SubscribeOptions{})
	require.NoError(t, err)
	slow := h.SlowSubscriber()
	cred, _ := h.Hub().Credentials().Role(bus.Viewer)
	for range 20 {
		c, err := net.Dial("tcp", h.Hub().NATSURL()[len("nats://"):])
		require.NoError(t, err)
		defer c.Close()
		_, err = fmt.Fprintf(c, "CONNECT {\"user\":%q,\"pass\":%q,\"verbose\":false}\r\nSUB backups 1\r\nSUB backups.progress 2\r\nPING\r\n", cred.User, cred.Password)
		require.NoError(t, err)
		in := bufio.NewReader(c)
		for line := ""; !strings.HasPrefix(line, "PONG"); {
			line, err = in.ReadString('\n')
			require.NoError(t, err)
		}
	}
	runs := back(h, 5)
	before := heap()
	runs = append(runs, back(h, 25**rounds)...)
	completes(t, s, runs)
	if after := heap(); after > before+32<<20 {
		t.Errorf("%d MiB more are in use", (after-before)>>20)
	}
	completes(t, slow, runs) // who reads late misses nothing either
}

// The stream's store is lost or damaged, at rest and under the running server.
func TestTheStoreIsLost(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, store string){
		"all of it": func(t *testing.T, store string) { require.NoError(t, os.RemoveAll(store)) },
		"a file of each kind": func(t *testing.T, store string) {
			require.NoError(t, filepath.WalkDir(store, func(path string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					err = os.WriteFile(path, []byte("not what it was"), 0o600)
				}
				return err
			}))
		},
		"the ends of all files": func(t *testing.T, store string) {
			require.NoError(t, filepath.WalkDir(store, func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				info, err := d.Info()
				if err == nil {
					err = os.Truncate(path, info.Size()/2)
				}
				return err
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := harness.New(t, harness.Tables("a"))
			store := filepath.Join(h.Dir, "data", "jetstream")
			require.DirExists(t, store)
			for _, run := range back(h, 2) {
				h.Expect(harness.BackupComplete(run))
			}
			h.Stop()
			damage(t, store)
			h.Start()
			for _, run := range back(h, 2) {
				h.Expect(harness.BackupComplete(run))
			}
			damage(t, store)
			for _, run := range back(h, 2) {
				h.Expect(harness.BackupComplete(run))
			}
			h.Restart()
			s, err := h.Client(bus.Viewer).Events(h.Context(), bus.SubscribeOptions{})
			require.NoError(t, err)
			completes(t, s, back(h, 2))
		})
	}
}
