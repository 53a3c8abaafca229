package browser

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

func TestSignInAndRoles(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	creds := h.Hub().Credentials()
	b := newTab(t, h)
	require.NotContains(t, eval[string](b, "document.documentElement.outerHTML"), "task_queue", "the shell holds no data")
	require.Equal(t, "token", eval[string](b, "document.activeElement.id"))
	b.shots("login")
	b.enter("wrong")
	b.has("#login-error", "nobody's")
	b.signIn(creds.Viewer.Token)
	const rows = `document.querySelectorAll("tbody tr[data-table]").length === 9`
	b.wait(rows)
	buttons := `[...document.querySelectorAll("#app button")].filter((b) => b.checkVisibility()).map((b) => b.textContent)`
	require.Equal(t, []string{"Sign out"}, eval[[]string](b, buttons), "a viewer sees no action")
	b.shots("viewer-empty-hub")
	b.click("#logout")
	b.wait(`!document.getElementById("login").hidden && document.getElementById("app").hidden`)
	b.signIn(creds.Operator.Token)
	b.wait(rows)
	require.Contains(t, eval[[]string](b, buttons), "Back up now")
	require.Equal(t, 9, eval[int](b, `document.querySelectorAll("button[aria-label^='Restore ']").length`))
	b.click("#backup")
	b.has("#backup-out", "Backed up 9 tables")
	operator := eval[[]string](b, buttons)
	b.click("#logout")
	b.signIn(creds.Admin.Token)
	b.has("#role", "admin")
	b.wait(rows)
	require.Equal(t, operator, eval[[]string](b, buttons), "records are nothing for this page")
}

// What was asked before signing out, and is refused after it, disturbs nobody who signs in.
func TestAnAnswerAfterSigningOut(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Viewer.Token)
	eval[any](b, `window.asks = window.fetch; window.held = []; window.answered = 0;
		window.fetch = (path, init) => String(path).includes("snapshots")
			? new Promise((go) => held.push(go)).then(() => asks(path, init)).finally(() => setTimeout(() => answered++, 100)) : asks(path, init);
		setInterval(() => { if (!held.length) document.dispatchEvent(new Event("visibilitychange")); }, 20)`)
	b.wait("held.length > 0")
	b.click("#logout")
	b.wait(`!document.getElementById("login").hidden`)
	b.do(chromedp.SetValue("#token", "typed"))
	eval[any](b, "held.forEach((go) => go())")
	b.wait("answered > 0")
	require.Equal(t, "typed", eval[string](b, `document.getElementById("token").value`))
	require.Empty(t, eval[string](b, `document.getElementById("login-why").textContent`))
}

// A page whose session was lost enters again by itself, but not once its reader signs out.
func TestSigningOutWhileThePageEntersAgain(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Viewer.Token)
	eval[any](b, `window.asks = window.fetch; window.held = []; window.left = 0;
		window.fetch = (path, init) => init.method === "POST" ? new Promise((go) => held.push(go)).then(() => asks(path, init))
			: init.method === "DELETE" ? asks(path, init).finally(() => left++) : asks(path, init)`)
	promised[any](b, `asks("/api/session", { method: "DELETE" }).then(() => { document.dispatchEvent(new Event("visibilitychange")); })`)
	b.wait("held.length > 0")
	b.click("#logout")
	b.wait(`!document.getElementById("login").hidden && left === 1`)
	eval[any](b, "held.forEach((go) => go())")
	b.wait("left === 1 + held.length")
	require.Equal(t, 401, promised[int](b, `asks("/api/session").then((r) => r.status)`))
}

// A backup that somebody else starts appears without a reload, table by table.
func TestABackupFromElsewhereAppears(t *testing.T) {
	t.Parallel()
	h := newHub(t, harness.Configure(func(c *app.Config) { c.CopyRate = 2 << 20 }))
	for i := range 60 {
		value := make([]byte, 75_000) // of chance: the rate counts what is left after compression
		_, _ = rand.Read(value)
		h.Put("task_queue", fmt.Sprint(i), base64.StdEncoding.EncodeToString(value))
	}
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Viewer.Token)
	b.has("#verdict", "back up now")
	eval[any](b, "window.same = true")
	eval[any](b, `window.seen = new Set(); setInterval(() => { const m = document.querySelector("#run progress"); const w = document.querySelector("tr[data-table=task_queue] .work").textContent; if (m) { seen.add("run " + m.value); seen.add(w); } }, 10)`)
	h.Backup()
	b.has("#events", "Backup complete")
	b.has("#fact-snapshot", "just now")
	b.wait(`document.querySelector("#run").hidden`)
	b.wait(`[...seen].filter((s) => s.startsWith("run ")).length >= 3 && [...seen].some((s) => /copying \d+ %/.test(s))`)
	b.has("tr[data-table=task_queue] .why", "")
	require.True(t, eval[bool](b, "window.same"), "no reload")
}

// The page says that it is old while its hub is away, and has what it missed after it.
func TestTheHubRestarts(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.Put("task_queue", "k", "v")
	h.Backup()
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Viewer.Token)
	b.has("#events-sum", "1 event")
	eval[any](b, "window.same = true")
	h.Stop()
	b.has("#stale", "Not connected since")
	b.has("#stale", "What you see is from")
	b.has("#live", "Not connected")
	require.Contains(t, eval[string](b, `document.querySelector("#table-box").textContent`), "task_queue", "what was seen stays")
	b.shots("old")
	h.Start()
	h.Backup()
	b.has("#live", "Live")
	b.wait(`document.querySelector("#stale").hidden && [...document.querySelectorAll("#events li b")].filter((e) => e.textContent === "Backup complete").length === 2`)
	require.True(t, eval[bool](b, "window.same"), "no reload")
	require.NoError(t, h.Hub().RotateCredentials(t.Context()))
	h.Restart()
	b.wait(`!document.getElementById("login").hidden`)
	b.has("#login-why", "session has ended")
	require.NotContains(t, eval[string](b, "document.querySelector('#app').textContent"), "task_queue", "nothing that was seen stays")
}

// tabTo presses Tab until an element has the focus.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 120 {
		if eval[bool](b, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			return
		}
		b.do(chromedp.KeyEvent(kb.Tab))
	}
	b.t.Fatalf("no Tab leads to %s", selector)
}

func TestARestoreByKeyboardAlone(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.Put("task_queue", "k", "worth keeping")
	h.Backup()
	_, err := h.Table("task_queue").Delete(t.Context(), []byte("k"))
	require.NoError(t, err)
	h.Put("task_queue", "later", "v")
	b := newTab(t, h)
	b.do(chromedp.KeyEvent(h.Hub().Credentials().Operator.Token + kb.Enter))
	b.has("#live", "Live")
	b.wait(`document.querySelectorAll("tbody tr[data-table]").length === 9`)
	b.tabTo("button[aria-label='Restore task_queue']")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.wait(`document.querySelector("#restore").open && document.querySelectorAll("#which option").length === 1`)
	b.tabTo("#dry")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.has("#restore .sure", "will hold 1 record.")
	b.has("#restore .sure", "2 later commits will no longer show.")
	b.has("#restore .sure", "is kept")
	require.Equal(t, "v", h.Get("task_queue", "later"), "so far nothing has changed")
	b.shots("restore")
	b.wait(`document.activeElement.id === "go"`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.has("#restore .outcome", "task_queue is restored")
	require.Equal(t, "worth keeping", h.Get("task_queue", "k"))
	b.wait(`document.activeElement.textContent === "Close"`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.wait(`!document.querySelector("#restore").open`)
	b.has("#recoveries", "task_queue: 1 record")

	b.click("button[aria-label='Restore task_queue']")
	b.click("#how-past")
	b.has("#restore .chosen", "Everything that the vault holds")
	b.click("#dry")
	b.has("#restore .sure", "goes back to")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.wait(`!document.querySelector("#restore").open`)
}

// Fault 10 of the original, and markup: a reason that is not text, or that is markup, is
// shown as what it is.
func TestTextsOfEventsAreTexts(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	evil := `<img src=x onerror="window.hit=1"><script>window.hit=1</script>`
	h.TableProbe("task_queue").On(harness.Flush).Refuse(errors.New("\xff\xfe\x00 " + evil))
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Operator.Token)
	_, err := h.Hub().Backup(t.Context())
	require.Error(t, err)
	b.has("#events", "Backup in part")
	b.has("#events", evil)
	b.has("#verdict", "task_queue")
	require.Zero(t, eval[int](b, `document.querySelectorAll("#app script, #events img").length + (window.hit || 0)`))
	b.shots("partial-run")
}

// Fault 10: an answer about health that does not come holds up nothing else.
func TestASlowAnswerHoldsUpNothing(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Viewer.Token)
	eval[any](b, "(() => { window.fetch = () => new Promise(() => {}); })()")
	h.Backup()
	b.has("#events", "Backup complete")
	b.has("#live", "Live")
}

// Fault 9: what was compacted and what was recovered is on the page.
func TestCompactionsAndRecoveriesAreShown(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for range 200 {
		h.Put("task_queue", "k", strings.Repeat("x", 2000))
	}
	h.Backup()
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Operator.Token)
	b.click("button[aria-label='Compact task_queue']")
	b.has("tr[data-table=task_queue] .out", "Compacted")
	b.has("#compactions", "task_queue")
	_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"task_queue"}})
	require.NoError(t, err)
	b.has("#recoveries", "task_queue")
	b.has("#events", "Restored")
	b.click("#all-actions button:last-child")
	b.has("#all-out", "Proven: 9 snapshots")
	b.has("#fact-proof", "ago")
	b.shots("nine-tables")
}

// Fault 11: every table that the hub has is there, thirteen or a hundred, and each can
// be acted on.
func TestEveryTableIsThere(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("table_%02d", i))
	}
	h := newHub(t, harness.Tables(names...))
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Operator.Token)
	b.wait(`document.querySelectorAll("tbody tr[data-table]").length === 100`)
	require.Equal(t, names, eval[[]string](b, `[...document.querySelectorAll("tbody tr[data-table]")].map((r) => r.dataset.table)`))
	b.shots("hundred-tables")
	b.click("button[aria-label='Compact table_99']")
	b.has("tr[data-table=table_99] .out", "Compact")
	b.do(chromedp.SetValue("#find", "table_9"))
	eval[any](b, `document.querySelector("#find").dispatchEvent(new Event("input"))`)
	require.Equal(t, 10, eval[int](b, `[...document.querySelectorAll("tbody tr[data-table]")].filter((r) => !r.hidden).length`))
}
