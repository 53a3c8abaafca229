// Package browser looks at the hub's HTTP listener with a real browser.
package browser

import (
	"context"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// chromium finds the browser, or skips.
func chromium(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("needs chromium (Debian: apt-get install chromium)")
	return ""
}

func TestProbesInABrowser(t *testing.T) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true), chromedp.UserDataDir(t.TempDir()))
	h, err := app.Open(context.Background(), app.Config{Data: t.TempDir(), HTTPAddr: "127.0.0.1:0", MinFree: -1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close(context.Background())) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, opts...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready"} {
		_, err := chromedp.Run(ctx, chromedp.Navigate(h.HTTPURL()+path))
		require.NoError(t, err)
		text, err := chromedp.Run(ctx, chromedp.Text("body"))
		require.NoError(t, err)
		require.Equal(t, want, strings.TrimSpace(text))
	}
}
