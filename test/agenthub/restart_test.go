package agenthub_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/stretchr/testify/require"
)

// furnish leaves something in every table that the agent hub has.
func furnish(w *world) (taken task) {
	w.t.Helper()
	w.submit("poison")
	for range 3 {
		_, err := w.fail(w.take("ann"), "no")
		require.NoError(w.t, err)
	}
	w.submit("work")
	taken = w.take("ann")
	w.submit("more work")
	must[message](w, "agents.mail.send", message{From: "ann", To: "bob", Body: "hello"})
	must[message](w, "agents.channel.post", message{From: "ann", To: "general", Body: "first"})
	must[message](w, "agents.channel.post", message{From: "bob", To: "general", Body: "second"})
	return taken
}

// everything is what the tables hold.
func everything(w *world) map[string][]json.RawMessage {
	w.t.Helper()
	all := map[string][]json.RawMessage{}
	for _, name := range w.hub.Brock.Tables() {
		all[name] = stored[json.RawMessage](w, name)
	}
	return all
}

func TestARestartForgetsNothing(t *testing.T) {
	w := newWorld(t)
	taken := furnish(w)
	before := everything(w)
	w.close(w.hub)
	_, err := w.finish(taken)
	require.Error(t, err, "nobody answers")
	w.open()
	require.Equal(t, before, everything(w))

	_, err = w.finish(taken)
	require.NoError(t, err, "an agent finishes what it took before the restart")
	m := must[message](w, "agents.channel.post", message{From: "ann", To: "general", Body: "third"})
	require.EqualValues(t, 3, m.N)
}

// A hub that was killed while it buried a task finishes the burial at the next start.
func TestAHalfBuriedTaskIsBuriedAtTheNextStart(t *testing.T) {
	w := newWorld(t)
	queue, err := w.hub.Brock.Table("task_queue")
	require.NoError(t, err)
	_, err = app.JSON[task](queue).Put(t.Context(), "dead/1", task{ID: "1", Error: "no"})
	require.NoError(t, err)
	w.close(w.hub)
	w.open()
	require.Empty(t, stored[task](w, "task_queue"))
	require.Equal(t, []task{{ID: "1", Error: "no"}}, stored[task](w, "task_dead_letter"))
}

func TestEverythingComesBackFromABackup(t *testing.T) {
	w := newWorld(t)
	taken := furnish(w)
	before := everything(w)
	run, err := w.hub.Brock.Backup(t.Context())
	require.NoError(t, err)
	require.Equal(t, app.StatusComplete, run.Status)

	// After the backup ann is too slow, and bob takes over.
	w.clock.Advance(61 * time.Second)
	lost := w.take("bob")
	require.Equal(t, taken.ID, lost.ID)
	w.close(w.hub)
	require.NoError(t, os.RemoveAll(filepath.Join(w.dir, "data", "tables")))
	w.open()
	_, err = ask[task](w, "agents.task.take", task{Agent: "ann"})
	require.ErrorIs(t, err, status("503"), "lost tables are unavailable, not empty")

	out, err := w.hub.Brock.Restore(t.Context(), app.RestoreRequest{All: true})
	require.NoError(t, err)
	require.Equal(t, app.StatusRestored, out.Status)
	require.Equal(t, before, everything(w))

	// The generation is the same again, so only the token tells the agents apart.
	again := w.take("carl")
	require.Equal(t, taken.ID, again.ID)
	require.Equal(t, lost.Generation, again.Generation)
	_, err = w.finish(lost)
	require.ErrorIs(t, err, status("409"), "bob's task was taken in a history that is gone")
	_, err = w.finish(again)
	require.NoError(t, err)
}
