//go:build unix

package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/test/harness"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// example returns an example of docs/SUBSCRIBING.md, by the word behind its language.
func example(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/SUBSCRIBING.md")
	require.NoError(t, err)
	m := regexp.MustCompile("(?s)\n```[a-z]+ " + name + "\n(.*?)```\n").FindSubmatch(b)
	require.NotNil(t, m, "the guide has no example %s", name)
	return string(m[1])
}

// Every example of the guide is one that a test here runs.
func TestTheGuidesExamplesAreKnown(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/SUBSCRIBING.md")
	require.NoError(t, err)
	var names []string
	for _, m := range regexp.MustCompile("(?m)^```(?:sh|go|html|json)(?: ([a-z]+))?$").FindAllStringSubmatch(string(b), -1) {
		names = append(names, m[1])
	}
	require.Equal(t, []string{"live", "replay", "follow", "serve", "client", "page", "sse", "panel"}, names)
}

// output is what a program prints, while it runs.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// run starts a program, which ends with the test or by stop, with all that it started.
func run(t *testing.T, dir string, env []string, name string, args ...string) (out *output, stop func()) {
	t.Helper()
	out = &output{}
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	stop = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	t.Cleanup(stop)
	return out, stop
}

// shell runs an example as a shell does, with brock at hand.
func shell(t *testing.T, s *served, script string) (out *output, stop func()) {
	t.Helper()
	path, err := shared.command()
	require.NoError(t, err)
	home := t.TempDir()
	return run(t, home, []string{"HOME=" + home, "BROCK_DATA=" + s.dir, "PATH=" + filepath.Dir(path) + ":" + os.Getenv("PATH")}, "sh", "-c", script)
}

func needs(t *testing.T, tool, from string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("needs %s (%s)", tool, from)
	}
}

func TestTheGuideForTheNATSClient(t *testing.T) {
	t.Parallel()
	needs(t, "nats", "go install github.com/nats-io/natscli/nats@v0.5.1")
	s := serve(t)
	live, _ := shell(t, s, example(t, "live"))
	await(t, "it listens", func() bool { return strings.Contains(live.String(), "Subscribing") })
	brock(t, s.dir, "backup")
	await(t, "it hears", func() bool { return strings.Contains(live.String(), `"type":"backup_complete"`) })
	replay, _ := shell(t, s, example(t, "replay"))
	await(t, "it hears of before", func() bool { return strings.Contains(replay.String(), `"type":"backup_complete"`) })
}

func TestTheGuideForHTTP(t *testing.T) {
	t.Parallel()
	needs(t, "curl", "Debian: apt-get install curl")
	s := serve(t)
	brock(t, s.dir, "backup")
	out, _ := shell(t, s, strings.ReplaceAll(example(t, "sse"), "127.0.0.1:8420", s.addr))
	await(t, "it hears of before", func() bool { return strings.Contains(out.String(), "event: backup_complete") })
	await(t, "and of now", func() bool { return strings.Contains(out.String(), "event: live") })
}

// The Go program goes on where it was, whether it or the hub was away.
func TestTheGuideForGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(file, []byte(example(t, "follow")), 0o600))
	program := filepath.Join(dir, "follow")
	built, err := exec.Command("go", "build", "-o", program, file).CombinedOutput() // in this module, which knows nats.go
	require.NoError(t, err, string(built))
	s := serve(t)
	start := func() (*output, func()) {
		viewer := s.credential(bus.Viewer)
		return run(t, dir, []string{"NATS_URL=" + s.NATSURL, "NATS_USER=" + viewer.User, "NATS_PASSWORD=" + viewer.Password}, program)
	}
	brock(t, s.dir, "backup")
	out, stop := start()
	await(t, "it hears of before", func() bool { return out.String() == "1 backup_started  0 of 9\n2 backup_complete complete 9 of 9\n" })
	stop()
	brock(t, s.dir, "backup")
	s.kill()
	s.start()
	out, _ = start()
	await(t, "it goes on", func() bool { return strings.HasSuffix(out.String(), "backup_complete complete 9 of 9\n") })
	require.NotContains(t, out.String(), "\n2 ", "each once")
	require.NotRegexp(t, `^[12] `, out.String(), "each once")
}

// The guide's page, in a real browser, with the stock client as npm has it: it receives a
// backup_complete, misses nothing while NATS is away or it is reloaded, and is let in
// only from where the hub says.
func TestTheGuideForBrowsers(t *testing.T) {
	t.Parallel()
	browser(t)
	client, why := npm("nats.ws/esm/nats.js")
	if why != "" {
		t.Skip(why)
	}
	require.Contains(t, strings.Join(packages, " "), strings.Fields(example(t, "client"))[2], "the version that is tested")
	require.Contains(t, example(t, "serve"), "--ws-addr 127.0.0.1:9222 --ws-plain --ws-origins http://127.0.0.1:8000")
	require.Contains(t, example(t, "client"), "python3 -m http.server --bind 127.0.0.1 8000")
	var page string
	site := func() *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/nats.js" {
				w.Header().Set("Content-Type", "text/javascript")
				_, _ = io.WriteString(w, client)
				return
			}
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, page)
		}))
		t.Cleanup(s.Close)
		return s
	}
	mine, foreign := site(), site()
	h := harness.New(t, harness.Parallel(), harness.Configure(func(c *app.Config) {
		c.WebSocket = app.WebSocket{Addr: "127.0.0.1:0", Plain: true, Origins: []string{mine.URL}}
	}))
	at := h.Hub().WebSocketURL()
	u, err := url.Parse(at)
	require.NoError(t, err)
	page = strings.ReplaceAll(example(t, "page"), "127.0.0.1:9222", u.Host)
	password := h.Hub().Credentials().Viewer.Password
	follow := func(b *tab, site string) {
		b.do(chromedp.Navigate(site+"/"), chromedp.SetValue("input", password))
		b.click("button")
	}

	b := openTab(t, mine.URL, at)
	follow(b, mine.URL)
	b.has("p", "live")
	h.Backup()
	b.has("ol", "backup_complete complete")
	lines := func() []string {
		return eval[[]string](b, `[...document.querySelectorAll("li")].map((l) => l.textContent)`)
	}
	require.Len(t, lines(), 2)
	h.StopNATS()
	b.wait(`/disconnect|reconnecting/.test(document.querySelector("p").textContent)`) // whichever the client said last
	_, err = h.Hub().Backup(t.Context())
	require.NoError(t, err)
	h.StartNATS()
	b.has("p", "reconnect")
	b.wait(`document.querySelectorAll("li").length === 4`)
	require.Contains(t, lines()[3], "backup_complete complete")
	follow(b, mine.URL) // loaded anew
	b.has("p", "live")
	h.Backup()
	b.wait(`document.querySelectorAll("li").length === 2`)
	require.Contains(t, lines()[1], "backup_complete complete")

	other := openTab(t, foreign.URL, at)
	other.do(chromedp.Navigate(foreign.URL + "/"))
	enter := func(b *tab, user, pass string) string {
		return promised[string](b, fmt.Sprintf(`import("./nats.js").then((n) => n.connect({ servers: %q, user: %q, pass: %q, reconnect: false })).then((nc) => nc.close()).then(() => "came in", (e) => "refused: " + e.message)`, at, user, pass))
	}
	require.Contains(t, enter(other, "viewer", password), "refused", "not from there")
	require.Equal(t, "came in", enter(b, "viewer", password))
	require.Contains(t, enter(b, "viewer", "wrong"), "refused")
	operator := h.Hub().Credentials().Operator
	require.Contains(t, enter(b, operator.User, operator.Password), "refused", "viewers only")
}

func TestTheGuideForGrafana(t *testing.T) {
	t.Parallel()
	var panel struct {
		Type, Title string
		Targets     []struct{ Expr string }
	}
	require.NoError(t, json.Unmarshal([]byte(example(t, "panel")), &panel))
	require.NotEmpty(t, panel.Type)
	require.Len(t, panel.Targets, 1)
	h := harness.New(t, harness.Parallel())
	h.Backup()
	w := httptest.NewRecorder()
	h.Hub().Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, name := range regexp.MustCompile(`brock_[a-z_]+`).FindAllString(panel.Targets[0].Expr, -1) {
		require.Regexp(t, `(?m)^`+name+`\{table="task_queue"\} [1-9]`, w.Body.String())
	}
	needs(t, "promtool", "Debian: apt-get install --no-install-recommends prometheus")
	file := filepath.Join(t.TempDir(), "panel.yaml")
	require.NoError(t, os.WriteFile(file, []byte("groups:\n- name: panel\n  rules:\n  - record: panel:1\n    expr: "+panel.Targets[0].Expr+"\n"), 0o600))
	out, err := exec.Command("promtool", "check", "rules", file).CombinedOutput()
	require.NoError(t, err, string(out))
}
