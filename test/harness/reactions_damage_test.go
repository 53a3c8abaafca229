package harness_test

import (
	"bytes"
	"errors"
	"github.com/brockdb/brock/test/extent"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// bad is the value of the record that is damaged: long, so that a bit of it is found.
var bad = strings.Repeat("<bad>", 30)

// hurt damages a record of table a, which nobody has read yet.
func (r *reactor) hurt() {
	r.ripe()
	r.h.Damage("a", bad)
}

// ripe has the record lie on the disk: a compaction writes there what the vault has.
func (r *reactor) ripe() {
	r.h.Put("a", "bad", bad)
	r.h.Backup("a")
	_, err := r.h.Hub().Compact(r.t.Context(), "a")
	require.NoError(r.t, err)
}

// find reads the damaged record.
func (r *reactor) find() {
	_, err := r.h.Table("a").Get(r.t.Context(), []byte("bad"))
	require.ErrorIs(r.t, err, app.ErrDamaged)
}

// serving waits until table a serves; one that is quarantined is restored first, as a
// person would.
func (r *reactor) serving() {
	var failed error
	require.Eventually(r.t, func() bool {
		_, err := r.h.Table("a").Count(r.t.Context())
		switch {
		case errors.Is(err, app.ErrQuarantined):
			_, failed = r.h.Hub().Restore(r.t.Context(), app.RestoreRequest{Tables: []string{"a"}, At: app.Latest})
			return failed != nil
		case err != nil:
			r.h.Advance(time.Minute) // it opens again after a delay
		}
		return err == nil
	}, 30*time.Second, time.Millisecond)
	require.NoError(r.t, failed)
}

// quarantined waits until table a says that it is, and that it takes no write.
func (r *reactor) quarantined() {
	var err error
	require.Eventually(r.t, func() bool {
		if _, err = r.h.Table("a").Put(r.t.Context(), []byte("refused"), nil); errors.Is(err, app.ErrUnavailable) && !errors.Is(err, app.ErrQuarantined) {
			r.h.Advance(time.Minute) // it opens again after a delay
			return false
		}
		return true
	}, 30*time.Second, time.Millisecond)
	require.ErrorIs(r.t, err, app.ErrQuarantined)
	require.Equal(r.t, app.Unavailable, r.h.Hub().Health(r.t.Context()).Tables[0].Status)
}

// foundIn are the states in which damage can be found: those with a store.
var foundIn = []string{"serving", "commit in flight", "holding for a cut", "swapping", "stopping"}

// TestDamageInEveryStateOfATable lets damage be found in each state, as TestEveryMessage
// … has the other messages come; where nobody can find any, an earlier message comes late.
func TestDamageInEveryStateOfATable(t *testing.T) {
	for i, state := range tableStates {
		t.Run(state.name, func(t *testing.T) {
			r := newReactor(t)
			r.prelude()
			r.hurt()
			r.find()
			r.serving()
			for _, mode := range extent.Of(modes, 2*len(modes), i) {
				t.Run(mode.name, func(t *testing.T) {
					r.t = t
					r.ripe()
					files := r.h.StoreFiles("a", "*")
					leave := state.enter(r)
					fault := mode.arm(r.p.On(harness.Quarantine).Nth(1))
					found := slices.Contains(foundIn, state.name)
					if found {
						flip(t, files)
						r.find()
					} else {
						r.p.Replay(harness.Quarantine)
					}
					fault.Wait()
					leave()
					r.calls.Wait()
					fault.Lift()
					if state.name == "stopping" {
						r.h.Restart()
					}
					if state.name == "swapping" || !found && state.name != "quarantined" {
						r.h.AwaitServing("a") // it was not this store's damage
						require.Equal(t, bad, r.h.Get("a", "bad"))
					} else {
						r.quarantined()
					}
					r.settle()
				})
			}
		})
	}
}

// flip flips a bit of the bad record in the files of a store that may not be the
// table's any more.
func flip(t *testing.T, files []string) {
	t.Helper()
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		if i := bytes.Index(b, []byte(bad)); i >= 0 {
			f, err := os.OpenFile(file, os.O_RDWR, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte{b[i] ^ 1}, int64(i))
			require.NoError(t, errors.Join(err, f.Close()))
			return
		}
	}
	t.Fatal("the record stands in none of the store's files")
}
