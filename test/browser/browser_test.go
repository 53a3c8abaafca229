// Package browser looks at the hub's page, and at what subscribers do, with a real
// browser. Its tools are no part of the repository: chromium is the system's, and what
// comes from npm is installed for the time of the tests. Without them tests skip.
package browser

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "github.com/brockdb/brock/test/roomy"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// shared is what all tests of this process use: one browser, the command and what npm
// installed, below one directory.
var shared struct {
	dir     string
	browser func() (context.Context, error)
	command func() (string, error)
	npm     func() (string, error)
	end     context.CancelFunc
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "brock-browser-")
	if err != nil {
		panic(err)
	}
	shared.dir, shared.end = dir, func() {}
	shared.browser = sync.OnceValues(startBrowser)
	shared.command = sync.OnceValues(buildCommand)
	shared.npm = sync.OnceValues(install)
	code := m.Run()
	shared.end()
	_ = os.RemoveAll(dir) // the browser may still be writing
	os.Exit(code)
}

// chromium finds the browser, or skips.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("needs chromium (Debian: apt-get install chromium)")
	return ""
}

// browser returns the context of the one browser. It runs before a hub does, so that the
// harness does not take its goroutines for the hub's.
func browser(t *testing.T) context.Context {
	t.Helper()
	chromium(t)
	ctx, err := shared.browser()
	require.NoError(t, err)
	return ctx
}

func startBrowser() (context.Context, error) {
	var path string
	for _, name := range []string{"google-chrome", "chromium-browser", "chromium"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
		}
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true), chromedp.UserDataDir(filepath.Join(shared.dir, "profile")))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, end := chromedp.NewContext(ctx)
	shared.end = func() { end(); stop() }
	return ctx, chromedp.Do(ctx, chromedp.Navigate("about:blank"))
}

// buildCommand builds brock.
func buildCommand() (string, error) {
	path := filepath.Join(shared.dir, "brock")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/brock").CombinedOutput()
	if err != nil {
		return "", &toolError{"go build", string(out), err}
	}
	return path, nil
}

// What npm installs, for the tests alone.
var packages = []string{"axe-core@4.14.1", "nats.ws@1.30.3"}

func install() (string, error) {
	dir := filepath.Join(shared.dir, "npm")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	cmd := exec.Command("npm", append([]string{"install", "--prefix", dir, "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"}, packages...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &toolError{"npm install", string(out), err}
	}
	return filepath.Join(dir, "node_modules"), nil
}

type toolError struct {
	what, out string
	err       error
}

func (e *toolError) Error() string { return e.what + ": " + e.err.Error() + "\n" + e.out }

// npm returns the file of a package, or says why there is none.
func npm(name string) (body, why string) {
	if _, err := exec.LookPath("npm"); err != nil {
		return "", "needs npm (Debian: apt-get install npm)"
	}
	dir, err := shared.npm()
	if err != nil {
		return "", "needs what npm installs: " + err.Error()
	}
	b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return "", "npm: " + err.Error()
	}
	return string(b), ""
}

func TestProbesInABrowser(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	b := openTab(t, h.Hub().HTTPURL())
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ready"} {
		b.do(chromedp.Navigate(h.Hub().HTTPURL() + path))
		require.Equal(t, want, strings.TrimSpace(eval[string](b, "document.body.innerText")))
	}
}
