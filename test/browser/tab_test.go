package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// newHub is a hub with HTTP. It comes back at the same address.
func newHub(t *testing.T, opts ...harness.Option) *harness.Harness {
	chromium(t)
	h := harness.New(t, append(opts, harness.Configure(func(c *app.Config) { c.HTTPAddr = "127.0.0.1:0" }))...)
	u, err := url.Parse(h.Hub().HTTPURL())
	require.NoError(t, err)
	h.Reconfigure(func(c *app.Config) { c.HTTPAddr = u.Host })
	return h
}

// tab is a browser's tab that shows a hub's page. Whatever goes wrong in it fails the
// test at its end: an exception, an error on the console, something that the content
// security policy refused, a request to anybody but the hub.
type tab struct {
	t   *testing.T
	ctx context.Context
	hub string

	mu    sync.Mutex
	wrong []string
	asked int
}

func newTab(t *testing.T, h *harness.Harness) *tab {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, hub: h.Hub().HTTPURL()}
	b.do(chromedp.Navigate("about:blank"))
	require.NoError(t, chromedp.Listen(ctx, b.hear))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Empty(t, b.wrong)
		require.Positive(t, b.asked, "requests were seen")
	})
	b.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(b.hub+"/"))
	b.wait(`!document.getElementById("login").hidden`)
	return b
}

func (b *tab) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.asked++
		if !strings.HasPrefix(e.Request.URL, b.hub+"/") && !strings.HasPrefix(e.Request.URL, "data:") {
			b.wrong = append(b.wrong, "a request to "+e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		b.wrong = append(b.wrong, fmt.Sprintf("an exception: %+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		b.wrong = append(b.wrong, fmt.Sprintf("the page wrote to the console: %s", e.Type))
	case *cdplog.EventEntryAdded:
		// That a request failed, or was refused for want of a session, the browser notes itself.
		if e.Entry.Level == "error" && e.Entry.Source != "network" {
			b.wrong = append(b.wrong, fmt.Sprintf("console: %s", e.Entry.Text))
		}
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, steps...))
}

// eval returns an expression's value.
func eval[T any](b *tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	require.NoError(b.t, err, js)
	return v
}

// wait until an expression is true; the page itself looks, so that nothing is missed
// between two looks from here.
func (b *tab) wait(js string) {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`new Promise((done) => {
		const end = Date.now() + 40000;
		const look = () => {
			let ok = false;
			try { ok = Boolean(`+js+`); } catch (e) { ok = false; }
			if (ok) done("");
			else if (Date.now() > end) done(document.body.innerText || "nothing");
			else setTimeout(look, 15);
		};
		look();
	})`, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, js)
	require.Empty(b.t, text, "waited in vain for %s", js)
}

// has waits until an element holds a text.
func (b *tab) has(selector, text string) {
	b.t.Helper()
	b.wait(fmt.Sprintf("document.querySelector(%q).textContent.includes(%q)", selector, text))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.wait(fmt.Sprintf("document.querySelector(%q) && !document.querySelector(%q).disabled", selector, selector))
	eval[any](b, fmt.Sprintf("document.querySelector(%q).click()", selector))
}

// enter signs in by the form.
func (b *tab) enter(token string) {
	b.t.Helper()
	b.do(chromedp.SetValue("#token", token))
	b.click("#login-form button")
}

// signIn signs in and waits for what is live.
func (b *tab) signIn(token string) {
	b.t.Helper()
	b.enter(token)
	b.has("#live", "Live")
	b.wait(`document.querySelector("#verdict").dataset.level`)
}

func (b *tab) scheme(dark bool) {
	b.t.Helper()
	value := "light"
	if dark {
		value = "dark"
	}
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		return chromedp.Void{}, err
	})
}

// widths are a phone's, a laptop's and a wall's.
var widths = map[int64]int64{360: 740, 1280: 900, 3840: 2160}

// shots shows the page at all widths, in both schemes: nothing sticks out, texts can
// be read. Pictures go to the directory that BROCK_SCREENSHOTS names.
func (b *tab) shots(name string) {
	b.t.Helper()
	dir := os.Getenv("BROCK_SCREENSHOTS")
	for _, dark := range []bool{false, true} {
		b.scheme(dark)
		var faint []string
		for w, height := range widths {
			b.do(chromedp.EmulateViewport(w, height))
			require.LessOrEqual(b.t, eval[int64](b, "document.documentElement.scrollWidth"), w, "%s at %d sticks out", name, w)
			faint = append(faint, eval[[]string](b, faintTexts)...)
			if dir != "" {
				picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
				require.NoError(b.t, err)
				require.NoError(b.t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-dark=%t.png", name, w, dark)), picture, 0o644))
			}
		}
		slices.Sort(faint)
		require.Empty(b.t, slices.Compact(faint), "%s, dark: %t: less contrast than 4.5 : 1", name, dark)
	}
	require.Empty(b.t, eval[[]string](b, nameless), name)
	b.do(chromedp.EmulateViewport(1280, 900))
	b.scheme(false)
}

// faintTexts are the visible texts whose contrast is below WCAG's AA.
const faintTexts = `(() => {
	const parts = (c) => { const m = c.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
	const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const ground = (n) => { for (; n; n = n.parentElement) { const c = parts(getComputedStyle(n).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
	const out = new Set();
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const n = walk.currentNode.parentElement;
		if (!walk.currentNode.textContent.trim() || n.closest("[hidden], :disabled, .hide, noscript, option, svg, dialog:not([open])") || !n.checkVisibility()) continue;
		const a = light(parts(getComputedStyle(n).color)), b = light(ground(n));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) out.add(walk.currentNode.textContent.trim() + " " + ratio.toFixed(2));
	}
	return [...out];
})()`

// nameless are controls without a name, headers without a scope, pictures without words.
const nameless = `(() => {
	const named = (n) => (n.getAttribute("aria-label") || n.textContent || n.title || "").trim() || (n.labels && [...n.labels].some((l) => l.textContent.trim())) || (n.getAttribute("aria-labelledby") || "").split(" ").some((id) => document.getElementById(id)?.textContent.trim());
	const bad = [...document.querySelectorAll("button, input, select, a, summary, progress, dialog[open], section, [role=img], [role=group]")].filter((n) => !named(n)).map((n) => n.outerHTML.slice(0, 120));
	bad.push(...[...document.querySelectorAll("th:not([scope]), img:not([alt])")].map((n) => n.outerHTML.slice(0, 120)));
	const ids = [...document.querySelectorAll("[id]")].map((n) => n.id);
	bad.push(...ids.filter((id, i) => ids.indexOf(id) !== i).map((id) => "id twice: " + id));
	if (!document.documentElement.lang || !document.title) bad.push("no language or title");
	return bad;
})()`
