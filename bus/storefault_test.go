package bus

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	storeFaults = flag.Int("storefaults", 12, "damages of the event stream's store to live through, and as many while the server runs")
	storeSeed   = flag.Uint64("storeseed", 1, "the first seed")
)

// harm does something to one file or folder of the store, or to all of it, and says what.
// Of records it changes no bits while a server runs: nats-server takes their numbers
// unchecked, and counts up to a wrong one for ever. See [Server.distrust].
func harm(t *testing.T, dir string, rng *rand.Rand, runs bool) string {
	t.Helper()
	var files []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && path != dir && (!d.IsDir() || rng.IntN(8) == 0) {
			files = append(files, path)
		}
		return nil // a running server takes files away
	}))
	if len(files) == 0 || rng.IntN(12) == 0 {
		require.NoError(t, os.RemoveAll(dir))
		return "all of it is gone"
	}
	file := files[rng.IntN(len(files))]
	name, err := filepath.Rel(dir, file)
	require.NoError(t, err)
	b, err := os.ReadFile(file)
	what := rng.IntN(5)
	if err != nil || len(b) == 0 && what > 1 || runs && what > 2 && filepath.Ext(file) == ".blk" {
		what = 0
	}
	switch what {
	case 0:
		require.NoError(t, os.RemoveAll(file))
		return name + " is gone"
	case 1:
		require.NoError(t, os.WriteFile(file, []byte("not what it was"), 0o600))
		return name + " is something else"
	case 2:
		n := rng.IntN(len(b))
		require.NoError(t, os.Truncate(file, int64(n)))
		return fmt.Sprintf("%s has %d of %d bytes", name, n, len(b))
	case 3:
		at := rng.IntN(len(b))
		b[at] ^= 1 << rng.IntN(8)
		require.NoError(t, os.WriteFile(file, b, 0o600))
		return fmt.Sprintf("%s is other at byte %d", name, at)
	}
	from := rng.IntN(len(b))
	clear(b[from:])
	require.NoError(t, os.WriteFile(file, b, 0o600))
	return fmt.Sprintf("%s is zero from byte %d", name, from)
}

// The stream is a view of what happened, and its store may be lost or damaged in any way
// while the server is stopped: the server starts, and what happens from then on arrives
// once and in order.
func TestDamagedStreamStores(t *testing.T) {
	for seed := *storeSeed; seed < *storeSeed+uint64(*storeFaults); seed++ {
		rng := rand.New(rand.NewPCG(seed, 21))
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t)
			b := w.bus()
			publish(t, b, 1, 20)
			require.NoError(t, b.Flush(w.ctx()))
			require.NoError(t, w.server.Stop(w.ctx()))
			publish(t, b, 21, 25)
			for range 1 + rng.IntN(3) {
				t.Log(harm(t, w.server.cfg.StoreDir, rng, false))
			}
			require.NoError(t, w.server.Restart(w.ctx()))
			publish(t, b, 26, 30)
			require.NoError(t, b.Flush(w.ctx()), "%+v", b.Status())
			s, err := b.Subscribe(w.ctx(), SubscribeOptions{All: true})
			require.NoError(t, err)
			inOrder(t, s, 21, 30)
			require.Zero(t, b.Status().Dropped+b.Status().Rejected+b.Status().Damaged)
		})
	}
}

// inOrder reads up to the last number. What is left of earlier ones may come before, and
// from the first number on all of them.
func inOrder(t *testing.T, s *Subscription[Event], from, to int) {
	t.Helper()
	last := 0
	for last < to {
		select {
		case e, ok := <-s.C():
			require.True(t, ok, "the subscription ended: %v", s.Err())
			n := number(t, e)
			require.Greater(t, n, last, "in order, and once")
			if n > from {
				require.Equal(t, n-1, last, "none is missing")
			}
			last = n
		case <-time.After(patience):
			t.Fatalf("nothing comes after %d", last)
		}
	}
}

// The same while the server runs. What it had may be lost to the next start; what happens
// from then on arrives.
func TestStreamStoresDamagedUnderTheServer(t *testing.T) {
	for seed := *storeSeed; seed < *storeSeed+uint64(*storeFaults); seed++ {
		rng := rand.New(rand.NewPCG(seed, 22))
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWorld(t)
			b := w.bus()
			live, err := b.Subscribe(w.ctx(), SubscribeOptions{})
			require.NoError(t, err)
			publish(t, b, 1, 20)
			require.NoError(t, b.Flush(w.ctx()))
			for range 1 + rng.IntN(3) {
				t.Log(harm(t, w.server.cfg.StoreDir, rng, true))
			}
			publish(t, b, 21, 25)
			require.NoError(t, b.Flush(w.ctx()), "%+v", b.Status())
			inOrder(t, live, 1, 25)
			require.NoError(t, w.server.Stop(w.ctx()))
			require.NoError(t, w.server.Restart(w.ctx()))
			publish(t, b, 26, 30)
			require.NoError(t, b.Flush(w.ctx()), "%+v", b.Status())
			inOrder(t, live, 26, 30)
			s, err := b.Subscribe(w.ctx(), SubscribeOptions{All: true})
			require.NoError(t, err)
			inOrder(t, s, 26, 30)
			require.Zero(t, b.Status().Dropped+b.Status().Rejected+b.Status().Damaged)
		})
	}
}

// nats-server acknowledges what it writes to files that are gone, until it needs a new
// one, and from then on nothing. So the bus looks whether they are there, and has the
// stream made anew: no event after the loss is lost, and nobody has to restart the hub.
func TestAStoreLostUnderTheServer(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	live, err := w.client(Viewer).Events(w.ctx(), SubscribeOptions{})
	require.NoError(t, err)
	publish(t, b, 1, 5)
	expect(t, live, 1, 5)
	for round := range 2 {
		require.NoError(t, os.RemoveAll(w.server.cfg.StoreDir))
		from := 6 + 20*round
		publish(t, b, from, from+19)
		require.NoError(t, b.Flush(w.ctx()))
		expect(t, live, from, from+19)
		s, err := b.Subscribe(w.ctx(), SubscribeOptions{All: true})
		require.NoError(t, err)
		expect(t, s, from, from+19)
		require.NoError(t, w.server.Stop(w.ctx()))
		require.NoError(t, w.server.Restart(w.ctx()))
	}
	require.NoError(t, b.Flush(w.ctx()))
	eventually(t, "the stream is there", func() bool {
		s, err := b.Subscribe(w.ctx(), SubscribeOptions{All: true})
		if err != nil {
			return false
		}
		expect(t, s, 26, 45)
		return true
	})
}

// A flipped bit in a record's number kept nats-server counting, and the hub from starting.
func TestARecordsNumberIsWrong(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	publish(t, b, 1, 20)
	require.NoError(t, b.Flush(w.ctx()))
	require.NoError(t, w.server.Stop(w.ctx()))
	file := filepath.Join(w.server.streamDir(), "1.blk")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	at := 0
	for range 9 { // to the tenth record
		at += int(binary.LittleEndian.Uint32(data[at:]) &^ (1 << 31))
	}
	require.EqualValues(t, 10, binary.LittleEndian.Uint64(data[at+4:]))
	data[at+4+5] ^= 1 // 2^40 more
	require.NoError(t, os.WriteFile(file, data, 0o600))
	require.NoError(t, w.server.Restart(w.ctx()))
	publish(t, b, 21, 25)
	require.NoError(t, b.Flush(w.ctx()))
	s, err := b.Subscribe(w.ctx(), SubscribeOptions{All: true})
	require.NoError(t, err)
	expect(t, s, 1, 9)
	expect(t, s, 21, 25)
}
