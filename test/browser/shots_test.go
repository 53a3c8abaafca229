package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// widths are a phone's, a laptop's and a wall's, with their heights.
var widths = [][2]int64{{360, 740}, {1280, 900}, {3840, 2160}}

// shots shows the page in a state at all widths, light and dark: nothing sticks out, texts
// can be read, and axe finds nothing. Pictures of the whole page go to the directory that
// BROCK_SCREENSHOTS names; without one dark is looked at in one width, and axe looks once.
func (b *tab) shots(name string) {
	b.t.Helper()
	dir := os.Getenv("BROCK_SCREENSHOTS")
	for _, size := range widths {
		b.do(chromedp.EmulateViewport(size[0], size[1]))
		for _, dark := range []bool{false, true} {
			if dir == "" && dark && size[0] != 1280 {
				continue
			}
			b.media(dark, true)
			what := fmt.Sprintf("%s-%d-%s", name, size[0], map[bool]string{false: "light", true: "dark"}[dark])
			require.LessOrEqual(b.t, eval[int64](b, "document.documentElement.scrollWidth"), size[0], "%s sticks out", what)
			faint := eval[[]string](b, faintTexts)
			slices.Sort(faint)
			require.Empty(b.t, slices.Compact(faint), "%s: less contrast than 4.5 : 1", what)
			if dir != "" {
				require.NoError(b.t, os.WriteFile(filepath.Join(dir, what+".png"), b.picture(size), 0o644))
			}
			if size[0] == 1280 && !dark || dir != "" && size[0] != 3840 {
				b.axe(what)
			}
		}
	}
	require.Empty(b.t, eval[[]string](b, nameless), name)
	b.do(chromedp.EmulateViewport(1280, 900))
	b.media(false, false)
}

// picture is the whole page, however long; up to three screens of it.
func (b *tab) picture(size [2]int64) []byte {
	b.t.Helper()
	long := min(max(eval[int64](b, "document.documentElement.scrollHeight"), size[1]), 3*size[1])
	b.do(chromedp.EmulateViewport(size[0], long))
	picture, err := chromedp.Run(b.ctx, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		r, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng})
		if err != nil {
			return nil, err
		}
		return r.Data, nil
	})
	require.NoError(b.t, err)
	b.do(chromedp.EmulateViewport(size[0], size[1]))
	return picture
}

// axe lets axe-core look at the page as it is; without npm it looks at nothing, and
// TestAxeFindsFaults skips and says so.
func (b *tab) axe(name string) {
	b.t.Helper()
	if code, why := npm("axe-core/axe.min.js"); why == "" {
		require.Empty(b.t, b.axeFinds(code), "%s: axe found faults", name)
	}
}

// axeFinds returns what axe-core objects to by WCAG 2.2 A and AA and its best practices.
func (b *tab) axeFinds(code string) []string {
	b.t.Helper()
	if !eval[bool](b, `typeof axe === "object"`) {
		eval[any](b, code+"\n;0")
	}
	return promised[[]string](b, `axe.run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
		.then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + v.help + ": " + n.html.slice(0, 160))))`)
}

// What finds nothing on the page finds a fault that is put there.
func TestAxeFindsFaults(t *testing.T) {
	t.Parallel()
	code, why := npm("axe-core/axe.min.js")
	if why != "" {
		t.Skip(why)
	}
	h := newHub(t)
	b := newTab(t, h)
	require.Empty(t, b.axeFinds(code))
	eval[any](b, `(() => { const b = document.createElement("button"); document.querySelector("#login form").append(b); document.querySelector("#token-help").style.color = "#bbb"; })()`)
	found := fmt.Sprint(b.axeFinds(code))
	require.Contains(t, found, "button-name")
	require.Contains(t, found, "color-contrast")
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
