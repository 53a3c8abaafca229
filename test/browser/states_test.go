package browser

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// apart makes the vault look as if it were on a disk of its own.
func apart(c *app.Config) {
	c.Hooks.SameDevice = func(a, b string) (bool, error) { return false, nil }
}

// value is long, and found by its text.
func value(i int) string { return fmt.Sprintf("<value of record %04d>%s", i, strings.Repeat("x", 200)) }

// The nine tables with real input, after days like any: backups, a drill, a compaction, a
// restore, a table that was healed, a backup in part.
func TestNineRealTables(t *testing.T) {
	t.Parallel()
	file, records := input(t)
	h := newHub(t, harness.Configure(apart))
	data := filepath.Join(h.Dir, "data")
	brock(t, data, "import", file)
	for range 4 {
		h.Put("agentcom_config", "generation", value(1))
		h.Backup()
	}
	_, err := h.Hub().Drill(t.Context())
	require.NoError(t, err)
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Operator.Token)
	b.has("#verdict", "Your data is safe: every table serves, is backed up, and its backups were proven to restore.")
	require.Equal(t, "ok", eval[string](b, `document.querySelector("#verdict").dataset.level`))
	require.Equal(t, records+1, eval[int](b, `[...document.querySelectorAll("tr[data-table] td.num:nth-of-type(1)")].reduce((a, n) => a + Number(n.textContent.replaceAll(",", "")), 0)`))
	b.shots("nine-real-tables-safe")

	_, err = h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"task_queue"}})
	require.NoError(t, err)
	for i := range 400 {
		h.Put("thread_replies", "same", value(i))
	}
	_, err = h.Hub().Compact(t.Context(), "thread_replies")
	require.NoError(t, err)
	h.TableProbe("agent_channels").On(harness.Flush).Nth(1).Refuse(errors.New("the disk said no"))
	_, err = h.Hub().Backup(t.Context())
	require.Error(t, err)
	b.has("#verdict", "The last backup left out agent_channels: see below why, and back up again.")
	b.has("#events", "the disk said no")
	b.wait(`document.querySelectorAll("svg.runs g.run").length === 5 && document.querySelector("svg.runs g.run[data-level=warning] text").textContent === "!"`)
	b.has("#runs-sum", "5 runs, 1 not complete")
	b.shots("nine-real-tables-partial")
}

// A run in which no table succeeded is called what it is.
func TestAFailedRun(t *testing.T) {
	t.Parallel()
	h := newHub(t, harness.Tables("jobs", "mail"), harness.Configure(apart))
	h.Put("jobs", "k", "v")
	h.Backup()
	for _, name := range []string{"jobs", "mail"} {
		h.TableProbe(name).On(harness.Flush).Refuse(errors.New("the disk said no"))
	}
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Operator.Token)
	b.click("#backup")
	b.has("#backup-out", "the disk said no")
	b.has("#verdict", "The last backup failed: see below why")
	require.Equal(t, "bad", eval[string](b, `document.querySelector("#verdict").dataset.level`))
	b.has("#events", "Backup failed")
	b.wait(`document.querySelector("svg.runs g.run[data-level=bad] text").textContent === "✕"`)
	b.shots("failed-run")
}

// A damaged table of which nothing was left serves, empty; the page says so first. Its
// records' keys are text, whatever stands in them.
func TestADegradedTable(t *testing.T) {
	t.Parallel()
	h := newHub(t, harness.Tables("jobs", "mail"), harness.Configure(func(c *app.Config) { apart(c); c.LogInterval, c.Heal = -1, app.HealEmpty }))
	const evil = `<img src=x onerror="window.hit=1"><script>window.hit=1</script>`
	h.Put("jobs", evil, value(7))
	h.Put("mail", "k", evil)
	h.Restart()
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Operator.Token)
	h.Damage("jobs", value(7))
	_, err := h.Table("jobs").Get(t.Context(), []byte(evil))
	require.ErrorIs(t, err, app.ErrDamaged)
	b.has("#events", "Damage found")
	b.wait(`document.querySelector("#events").textContent.includes("onerror=")`)
	b.has("#events", "Table degraded")
	b.has("#verdict", "The table jobs serves without what it had. The damaged store is kept")
	b.has("tr[data-table=jobs] .state", "degraded")
	require.Zero(t, eval[int](b, `document.querySelectorAll("#app main script, #app main img").length + (window.hit || 0)`))
	b.shots("degraded-table")
}

// A backup under way shows how far it is, table by table.
func TestABackupUnderWay(t *testing.T) {
	t.Parallel()
	h := newHub(t, harness.Configure(apart))
	h.Put("message_history", "k", value(1))
	held := h.FS.On(harness.OpWrite, "vault/tables/message_history/*.frames*").Hold()
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Operator.Token)
	b.click("#backup")
	b.has("#run", "A backup of 9 tables is under way")
	b.has("#backup-out", "Asked")
	b.has("#run", "8 done")
	b.has("tr[data-table=thread_replies] .work", "copied")
	require.True(t, eval[bool](b, `document.querySelector("#backup").disabled`), "once is enough")
	b.shots("backup-under-way")
	held.Lift()
	b.has("#backup-out", "Backed up 9 tables")
	b.wait(`document.querySelector("#run").hidden`)
}
