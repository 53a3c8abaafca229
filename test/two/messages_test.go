package two

import (
	"fmt"
	"testing"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// Bad news of a store comes twice, late, or crashes the actor that gets it: the table is
// healed once, and has all that was acknowledged. (Each other message in each state of
// its actor is given, doubled, kept back and crashed on in test/harness.)
func TestBadNewsTwice(t *testing.T) {
	for name, arm := range map[string]func(*harness.Rule) *harness.Fault{
		"twice": (*harness.Rule).Twice, "crash before": (*harness.Rule).Panic, "crash after": (*harness.Rule).PanicAfter,
	} {
		t.Run(name, func(t *testing.T) {
			h := damaged(t)
			news := arm(h.TableProbe("a").On(harness.Quarantine).Nth(1))
			_, err := h.Table("a").Get(t.Context(), []byte("key-07"))
			require.Error(t, err)
			news.Wait()
			whole(t, h)
		})
	}
	t.Run("late", func(t *testing.T) {
		h := damaged(t)
		news := h.TableProbe("a").On(harness.Quarantine).Hold()
		_, err := h.Table("a").Get(t.Context(), []byte("key-07"))
		require.Error(t, err)
		news.Wait()
		_, err = h.Table("a").Get(t.Context(), []byte("key-08"))
		require.Error(t, err, "it serves nothing any more, whether its actor knows or not")
		news.Lift()
		whole(t, h)
		handled := h.TableProbe("a").On(harness.Quarantine).Nth(1).Pass()
		h.TableProbe("a").Replay(harness.Quarantine) // of the store that was replaced
		handled.Wait()
		whole(t, h)
		h.Put("a", "after", "v")
	})
}

// damaged is a hub with a damaged record that nobody has read yet.
func damaged(t *testing.T) *harness.Harness {
	h := harness.New(t, harness.Tables("a"))
	for i := range 20 {
		h.Put("a", fmt.Sprintf("key-%02d", i), fmt.Sprintf("value number %02d", i))
	}
	h.Restart()
	h.Damage("a", "value number 07")
	return h
}

// whole waits until the table is healed, once, and has all.
func whole(t *testing.T, h *harness.Harness) {
	t.Helper()
	h.AwaitServing("a")
	for i := range 20 {
		require.Equal(t, fmt.Sprintf("value number %02d", i), h.Get("a", fmt.Sprintf("key-%02d", i)))
	}
	require.Eventually(t, func() bool { // it is announced behind the swap
		n := 0
		for _, e := range h.Events() {
			if e.Type == bus.RecoveryComplete {
				n++
			}
		}
		return n == 1
	}, 10*time.Second, time.Millisecond)
}

// An actor that crashes in its own beginning, or while it is made anew after a crash,
// comes back.
func TestACrashInAnActorsLife(t *testing.T) {
	for _, m := range []harness.Message{harness.Started, harness.Restarting} {
		for name, arm := range map[string]func(*harness.Rule) *harness.Fault{"before": (*harness.Rule).Panic, "after": (*harness.Rule).PanicAfter} {
			t.Run(string(m)+" "+name, func(t *testing.T) {
				h := harness.New(t, harness.Tables("a", "b"), harness.Offline(), harness.Stopped())
				w := h.Workload("a", 1)
				table, backups := h.TableProbe("a"), h.BackupProbe()
				arm(table.On(m).Nth(1))
				if m == harness.Started {
					arm(backups.On(m).Nth(1))
				}
				h.Start()
				if m == harness.Restarting {
					crash := table.On(harness.Apply).Nth(1).Panic()
					_, err := h.Table("a").Put(t.Context(), []byte("lost"), nil)
					require.Error(t, err)
					crash.Wait()
				}
				h.AwaitServing("a")
				w.Run(20)
				w.Check()
				require.Equal(t, 2, h.Backup().TablesSuccess)
			})
		}
	}
}
