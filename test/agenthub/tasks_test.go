package agenthub_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestATaskIsSubmittedTakenAndFinished(t *testing.T) {
	w := newWorld(t)
	first, second := w.submit("build"), w.submit("test")
	got := w.take("ann")
	require.Equal(t, first.ID, got.ID, "the oldest comes first")
	require.Equal(t, 1, got.Generation)
	require.JSONEq(t, `{"n":1}`, string(got.Payload))
	require.Equal(t, second.ID, w.take("bob").ID)
	w.noTask()

	done, err := w.finish(got)
	require.NoError(t, err)
	require.JSONEq(t, `"ok"`, string(done.Result))
	again, err := w.finish(got)
	require.NoError(t, err, "an agent whose answer was lost asks again")
	require.Equal(t, done.ID, again.ID)
	_, err = w.fail(got, "changed my mind")
	require.NoError(t, err)
	require.JSONEq(t, `"ok"`, string(again.Result), "what is done stays done")

	w.clock.Advance(25 * time.Hour)
	for _, left := range stored[task](w, "task_queue") {
		require.Equal(t, second.ID, left.ID, "what was done a day ago is gone")
	}
}

// Many agents race for fewer tasks: each task has one winner, and nobody waits for it.
func TestOneAgentWinsATask(t *testing.T) {
	w := newWorld(t)
	const tasks, agents = 5, 16
	for range tasks {
		w.submit("race")
	}
	won := make(chan task, agents)
	var wg sync.WaitGroup
	for i := range agents {
		wg.Go(func() {
			if got, err := ask[task](w, "agents.task.take", task{Agent: fmt.Sprintf("agent-%d", i)}); err == nil {
				won <- got
			}
		})
	}
	wg.Wait()
	close(won)
	winners := map[string]string{}
	for got := range won {
		require.Empty(t, winners[got.ID], "two agents have task %s", got.ID)
		require.Equal(t, 1, got.Generation)
		winners[got.ID] = got.Agent
	}
	require.Len(t, winners, tasks)
}

func TestAnAgentThatLostItsLeaseIsFenced(t *testing.T) {
	w := newWorld(t)
	w.submit("slow")
	slow := w.take("ann")
	w.noTask()
	w.clock.Advance(61 * time.Second)
	next := w.take("bob")
	require.Equal(t, slow.ID, next.ID)
	require.Equal(t, 2, next.Generation)
	require.Greater(t, next.Token, slow.Token)

	_, err := w.finish(slow)
	require.ErrorIs(t, err, status("409"))
	_, err = w.fail(slow, "late")
	require.ErrorIs(t, err, status("409"), "nor may it give the task back")
	_, err = w.finish(next)
	require.NoError(t, err)
	_, err = w.finish(slow)
	require.ErrorIs(t, err, status("409"))
	require.Equal(t, "bob", stored[task](w, "task_queue")[0].Agent)
}

// The old and the new owner finish at the same time: the token decides, not who is first.
func TestTheFenceHoldsUnderARace(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		w.submit("race")
		slow := w.take("ann")
		w.clock.Advance(61 * time.Second)
		next := w.take("bob")
		var wg sync.WaitGroup
		var late, good error
		wg.Go(func() { _, late = w.finish(slow) })
		wg.Go(func() { _, good = w.finish(next) })
		wg.Wait()
		require.ErrorIs(t, late, status("409"))
		require.NoError(t, good)
	}
}

func TestATaskThatFailsTooOftenIsDead(t *testing.T) {
	w := newWorld(t)
	id := w.submit("poison").ID
	for try := 1; try <= 3; try++ {
		got := w.take("ann")
		require.Equal(t, try, got.Generation)
		back, err := w.fail(got, fmt.Sprintf("try %d", try))
		require.NoError(t, err)
		require.Equal(t, id, back.ID)
	}
	w.noTask()
	require.Empty(t, stored[task](w, "task_queue"))
	dead := stored[task](w, "task_dead_letter")
	require.Len(t, dead, 1)
	require.Equal(t, id, dead[0].ID)
	require.Equal(t, "try 3", dead[0].Error)
}

// A task that kills its agents never comes back with an error, but is dead all the same.
func TestATaskWhoseLeaseRunsOutTooOftenIsDead(t *testing.T) {
	w := newWorld(t)
	w.submit("poison")
	var last task
	for range 3 {
		last = w.take("ann")
		w.clock.Advance(61 * time.Second)
	}
	w.noTask()
	require.Equal(t, "the lease ran out", stored[task](w, "task_dead_letter")[0].Error)
	_, err := w.finish(last)
	require.ErrorIs(t, err, status("409"))
}

func TestBadRequestsAreRefused(t *testing.T) {
	w := newWorld(t)
	for subject, body := range map[string]any{
		"agents.task.submit": []int{1}, "agents.task.take": task{}, "agents.mail.send": message{From: "ann", To: "a/b"},
		"agents.mail.read": reading{}, "agents.channel.post": message{From: "ann"}, "agents.channel.history": reading{Channel: "x/y"},
	} {
		_, err := ask[any](w, subject, body)
		require.ErrorIs(t, err, status("400"), subject)
	}
	_, err := w.finish(task{ID: "unknown", Token: 1})
	require.ErrorIs(t, err, status("409"))
}
