package browser

import (
	"context"
	"fmt"
	"net/url"
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
	t.Helper()
	browser(t)
	h := harness.New(t, append(opts, harness.Parallel(), harness.Configure(func(c *app.Config) { c.HTTPAddr = "127.0.0.1:0" }))...)
	u, err := url.Parse(h.Hub().HTTPURL())
	require.NoError(t, err)
	h.Reconfigure(func(c *app.Config) { c.HTTPAddr = u.Host })
	return h
}

// tab is a browser's tab. Whatever goes wrong in it fails the test at its end: an
// exception, an error on the console, something that the content security policy
// refused, a request to anybody but whose page it is and those that were allowed.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	hosts []string // that may be asked, with scheme
	wrong []string
	asked int
}

// openTab opens an empty tab in a browser context of its own: it knows no cookie.
func openTab(t *testing.T, hosts ...string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser(t), chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, hosts: hosts}
	b.do(chromedp.Navigate("about:blank"))
	require.NoError(t, chromedp.Listen(ctx, b.hear))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Empty(t, b.wrong)
		require.Positive(t, b.asked, "requests were seen")
	})
	b.do(chromedp.EmulateViewport(1280, 900))
	return b
}

// newTab is a tab that shows a hub's page.
func newTab(t *testing.T, h *harness.Harness) *tab {
	t.Helper()
	return newTabAt(t, h.Hub().HTTPURL())
}

func newTabAt(t *testing.T, hub string) *tab {
	t.Helper()
	b := openTab(t, hub)
	b.do(chromedp.Navigate(hub + "/"))
	b.wait(`!document.getElementById("login").hidden`)
	return b
}

func (b *tab) may(addr string) bool {
	for _, h := range b.hosts {
		if strings.HasPrefix(addr, h+"/") || addr == h {
			return true
		}
	}
	return strings.HasPrefix(addr, "data:") || addr == "about:blank"
}

func (b *tab) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.asked++
		if !b.may(e.Request.URL) {
			b.wrong = append(b.wrong, "a request to "+e.Request.URL)
		}
	case *network.EventWebSocketCreated:
		if !b.may(e.URL) {
			b.wrong = append(b.wrong, "a WebSocket to "+e.URL)
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

// promised returns what a promise becomes.
func promised[T any](b *tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, js)
	return v
}

// wait until an expression is true; the page itself looks, so that nothing is missed
// between two looks from here.
func (b *tab) wait(js string) {
	b.t.Helper()
	text := promised[string](b, `new Promise((done) => {
		const end = Date.now() + 40000;
		const look = () => {
			let ok = false;
			try { ok = Boolean(`+js+`); } catch (e) { ok = false; }
			if (ok) done("");
			else if (Date.now() > end) done(document.body.innerText || "nothing");
			else setTimeout(look, 15);
		};
		look();
	})`)
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

// enter signs in by the form, as soon as a person would see it.
func (b *tab) enter(token string) {
	b.t.Helper()
	b.wait(`!document.getElementById("login").hidden`)
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

// media sets what the page is told of its reader's wishes.
func (b *tab) media(dark, still bool) {
	b.t.Helper()
	value := func(yes bool, a, b string) string {
		if yes {
			return a
		}
		return b
	}
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value(dark, "dark", "light")},
				{Name: "prefers-reduced-motion", Value: value(still, "reduce", "no-preference")}}})
		return chromedp.Void{}, err
	})
}
