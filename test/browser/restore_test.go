package browser

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A table that does not serve is the first thing that the page says; restoring it there
// brings its records back.
func TestALostTableIsRestoredThroughThePage(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.Put("task_queue", "k", "v")
	h.Backup()
	h.Stop()
	h.LoseTable("task_queue")
	h.Start()
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Operator.Token)
	b.has("#verdict", "The table task_queue does not serve")
	b.has("tr[data-table=task_queue] .state", "not serving")
	b.shots("lost-table")
	b.click("button[aria-label='Restore task_queue']")
	b.click("#dry")
	b.click("#go")
	b.has("#restore .outcome", "task_queue is restored")
	b.click("#restore .buttons button")
	b.has("tr[data-table=task_queue] .state", "ok")
	b.has("#verdict", "Your data is backed up")
	require.Equal(t, "v", h.Get("task_queue", "k"))
}

func TestAllTablesAreRestoredThroughThePage(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.Put("task_queue", "k", "old")
	h.Put("agent_mailbox", "k", "old")
	h.Backup()
	h.Put("task_queue", "k", "new")
	h.Put("agent_mailbox", "k", "new")
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Operator.Token)
	b.wait(`document.querySelectorAll("tbody tr[data-table]").length === 9`)
	b.click("#all-actions button")
	b.has("#which", "9 tables")
	b.click("#dry")
	b.wait(`document.querySelectorAll("#restore .dry tbody tr").length === 9`)
	b.has("#restore .sure", "2 later commits will no longer show.")
	b.shots("restore-all")
	require.Equal(t, "new", h.Get("task_queue", "k"))
	b.click("#go")
	b.wait(`document.querySelectorAll("#restore .outcome .ok").length === 9`)
	require.Equal(t, "old", h.Get("task_queue", "k"))
	require.Equal(t, "old", h.Get("agent_mailbox", "k"))
}
