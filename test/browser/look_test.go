package browser

import (
	"fmt"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// fragmentation of a table's row: its text and level.
func fragmentation(b *tab, table string) string {
	return eval[string](b, fmt.Sprintf(`(() => { const f = document.querySelector("tr[data-table=%s] .frag"); return f.textContent + "/" + (f.dataset.level ?? "") + "/" + getComputedStyle(f).color; })()`, table))
}

// Fragmentation is amber above 30 %, red above 50 %, each also in words, and plain below.
func TestFragmentationIsColoured(t *testing.T) {
	t.Parallel()
	h := newHub(t, harness.Tables("low", "some", "much", "more"))
	h.Put("low", "k", value(0))
	for i := range 100 {
		h.Put("some", fmt.Sprint(i), value(i))
	}
	for i := range 70 {
		h.Put("some", fmt.Sprint(i), value(i))
	}
	for i := range 50 {
		h.Put("much", "k", value(i))
	}
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Viewer.Token)
	b.wait(`document.querySelector("tr[data-table=much] .frag").dataset.level === "bad"`)
	require.Regexp(t, `^\d+ %//`, fragmentation(b, "low"))
	require.Regexp(t, `^(3[1-9]|4\d|50) % raised/warning/rgb\(138, 90, 0\)$`, fragmentation(b, "some"))
	require.Regexp(t, `^\d\d % high/bad/rgb\(179, 38, 30\)$`, fragmentation(b, "much"))

	// On the line, and just above it.
	eval[any](b, `(() => { const ask = window.fetch; window.fetch = async (path, init) => {
		const r = await ask(path, init);
		if (!String(path).endsWith("/health")) return r;
		const h = await r.json();
		for (const [name, f] of [["low", 0.3], ["some", 0.301], ["much", 0.5], ["more", 0.501]]) h.tables.find((t) => t.table === name).fragmentation_ratio = f;
		return new Response(JSON.stringify(h), { status: 200 });
	}; })()`)
	h.Backup("low") // an event: the page looks again
	b.wait(`document.querySelector("tr[data-table=much] .frag").dataset.level === "warning"`)
	require.Contains(t, fragmentation(b, "low"), "30 %//")
	require.Contains(t, fragmentation(b, "some"), "/warning/")
	require.Contains(t, fragmentation(b, "more"), "50 % high/bad/")
}

// What would be lost with the disk now is said: nothing, or the commits that the vault
// has not got yet.
func TestWhatIsAtRisk(t *testing.T) {
	t.Parallel()
	h := newHub(t, harness.Tables("jobs"))
	h.Put("jobs", "k", "v")
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Viewer.Token)
	b.wait(`document.querySelector("#fact-rpo").textContent === "nothing"`)
	b.has("#lag", "Nothing waits")
	h.FS.On(harness.AnyChange, "vault/log/*").Fail(fmt.Errorf("the vault is away"))
	h.Put("jobs", "k", value(1))
	await(t, "something waits", func() bool {
		c := h.Hub().Health(t.Context()).ChangeLog
		return c != nil && c.WaitingBytes > 0
	})
	h.Backup() // an event: the page looks again
	b.wait(`/^the last .+, .+B$/.test(document.querySelector("#fact-rpo").textContent)`)
	b.has("#lag", "wait for the vault")
}

// The events are filtered by kind and by words.
func TestTheHistoryIsFiltered(t *testing.T) {
	t.Parallel()
	h := newHub(t, harness.Tables("jobs", "mail"))
	h.Put("jobs", "k", "v")
	run := h.Backup()
	_, err := h.Hub().Restore(t.Context(), app.RestoreRequest{Tables: []string{"jobs"}})
	require.NoError(t, err)
	_, err = h.Hub().Compact(t.Context(), "mail")
	require.NoError(t, err)
	h.TableProbe("mail").On(harness.Flush).Refuse(fmt.Errorf("no"))
	_, err = h.Hub().Backup(t.Context())
	require.Error(t, err)
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Viewer.Token)
	b.has("#events-sum", "4 events")
	titles := func() []string {
		return eval[[]string](b, `[...document.querySelectorAll("#events li b")].map((e) => e.textContent)`)
	}
	pick := func(kind, words string) []string {
		eval[any](b, fmt.Sprintf(`(() => { const k = document.querySelector("#kind"), w = document.querySelector("#words"); k.value = %q; w.value = %q;
			k.dispatchEvent(new Event("change")); w.dispatchEvent(new Event("input")); })()`, kind, words))
		return titles()
	}
	require.Equal(t, []string{"Backup in part", "Compaction", "Restored", "Backup complete"}, titles())
	require.Equal(t, []string{"Backup in part"}, pick("bad", ""))
	require.Equal(t, []string{"Backup in part", "Backup complete"}, pick("backup", ""))
	require.Equal(t, []string{"Restored"}, pick("recovery", ""))
	require.Equal(t, []string{"Compaction"}, pick("compaction", ""))
	require.Empty(t, pick("drill", ""))
	b.has("#events", "No event matches.")
	require.Equal(t, []string{"Backup complete"}, pick("", run.ID))
	require.Equal(t, []string{"Compaction"}, pick("", "MAIL freed"))
	b.has("#events-sum", "1 of 4 events")
}

// Whatever moves, moves only for who has not asked for less of it.
func TestReducedMotion(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	b := newTab(t, h)
	rules := func(within string) []string {
		return eval[[]string](b, `[...document.styleSheets].flatMap((s) => [...s.cssRules]).flatMap((r) => r instanceof CSSMediaRule ? [...r.cssRules].map((c) => [c, r.conditionText]) : [[r, ""]])
			.filter(([c, when]) => c.style && (c.style.transition || c.style.animation || c.style.scrollBehavior) && `+within+`).map(([c]) => c.cssText)`)
	}
	require.NotEmpty(t, rules(`when === "(prefers-reduced-motion: no-preference)"`), "something moves")
	require.Empty(t, rules(`when !== "(prefers-reduced-motion: no-preference)"`))
	b.media(false, true)
	require.False(t, eval[bool](b, `matchMedia("(prefers-reduced-motion: no-preference)").matches`))
	require.Empty(t, eval[[]string](b, `[...document.querySelectorAll("*")].filter((n) => n.style.transition || n.style.animation || n.tagName === "animate").map((n) => n.outerHTML)`))
}

// The restorable range is a bar: from the first moment to now, a mark for each snapshot,
// and in words for who cannot see it.
func TestTheRestorableRange(t *testing.T) {
	t.Parallel()
	h := newHub(t, harness.Tables("jobs", "mail"))
	h.Put("jobs", "k", "v")
	h.Backup("jobs")
	h.Put("jobs", "k", "w")
	h.Backup("jobs")
	_, err := h.Hub().Drill(t.Context(), "jobs")
	require.NoError(t, err)
	b := newTab(t, h)
	b.signIn(h.Hub().Credentials().Viewer.Token)
	b.wait(`document.querySelectorAll("tr[data-table=jobs] svg.bar rect.snap").length === 2 && document.querySelectorAll("tr[data-table=jobs] svg.bar rect.snap.proven").length === 1`)
	require.Zero(t, eval[int](b, `document.querySelectorAll("tr[data-table=mail] svg.bar rect.snap").length`))
	label := eval[string](b, `document.querySelector("tr[data-table=jobs] svg.bar").getAttribute("aria-label")`)
	require.Regexp(t, `^jobs can be restored to: every moment from .+ to .+; 2 snapshots$`, label)
	box := eval[[]float64](b, `(() => { const r = document.querySelector("tr[data-table=jobs] rect.range").getBoundingClientRect(), a = document.querySelector("tr[data-table=jobs] svg.bar").getBoundingClientRect(); return [r.left - a.left, a.right - r.right, r.width]; })()`)
	require.Positive(t, box[2])
	require.GreaterOrEqual(t, box[0], -1.0)
	require.GreaterOrEqual(t, box[1], -1.0, "it ends where the bar does")
}
