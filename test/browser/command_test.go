package browser

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/bus"
	"github.com/stretchr/testify/require"
)

// brock runs the command on a data directory and returns what it printed.
func brock(t *testing.T, data string, args ...string) string {
	t.Helper()
	path, err := shared.command()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), path, append([]string{"--data", data}, args...)...)
	cmd.Env = append(os.Environ(), "BROCK_CONFIG=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "brock %s:\n%s", strings.Join(args, " "), out)
	return string(out)
}

// served is a hub in a process of its own.
type served struct {
	t      *testing.T
	dir    string
	addr   string // of HTTP, kept over restarts
	more   []string
	cmd    *exec.Cmd
	exited chan struct{}
	remote.Presence
}

// serve starts brock serve and waits until it is ready.
func serve(t *testing.T, more ...string) *served {
	t.Helper()
	s := &served{t: t, dir: filepath.Join(t.TempDir(), "data"), addr: "127.0.0.1:0", more: more}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *served) start() {
	s.t.Helper()
	path, err := shared.command()
	require.NoError(s.t, err)
	s.cmd = exec.Command(path, append([]string{"serve", "--json", "--data", s.dir, "--nats-addr", "127.0.0.1:0", "--http-addr", s.addr}, s.more...)...)
	s.cmd.Env = append(os.Environ(), "BROCK_CONFIG=")
	out, err := s.cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, s.cmd.Start())
	var ready struct {
		HTTP string `json:"http_url"`
	}
	err = json.NewDecoder(out).Decode(&ready)
	s.exited = make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(s.exited) }()
	require.NoError(s.t, err, "the hub does not start")
	u, err := url.Parse(ready.HTTP)
	require.NoError(s.t, err)
	s.addr = u.Host
	p, ok, err := remote.Find(s.dir)
	require.NoError(s.t, err)
	require.True(s.t, ok)
	s.Presence = p
}

// kill ends the process as nothing can refuse.
func (s *served) kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

func (s *served) credential(role bus.Role) bus.Credential {
	s.t.Helper()
	creds, err := remote.LoadCredentials(s.dir)
	require.NoError(s.t, err)
	c, _ := creds.Role(role)
	return c
}

// A hub in a process of its own is killed (kill -9) under a page that shows it. The page
// says that what it shows is old, and after the next start has what it missed, without a
// reload; and a backup from the command line appears.
func TestTheHubIsKilled(t *testing.T) {
	t.Parallel()
	browser(t)
	s := serve(t)
	brock(t, s.dir, "put", "task_queue", "k", "v")
	b := newTabAt(t, s.HTTPURL)
	b.signIn(s.credential(bus.Viewer).Token)
	b.has("#verdict", "back up now")
	eval[any](b, "window.same = true")
	brock(t, s.dir, "backup")
	b.has("#events", "Backup complete")
	first := eval[string](b, `document.querySelector("#events li[data-level=ok]").dataset.id`)
	s.kill()
	b.has("#stale", "Not connected since")
	b.has("#stale", "What you see is from")
	require.Equal(t, first, eval[string](b, `document.querySelector("#events li[data-level=ok]").dataset.id`), "what was seen stays")
	s.start()
	brock(t, s.dir, "compact", "task_queue")
	brock(t, s.dir, "backup")
	b.has("#live", "Live")
	b.wait(`document.querySelector("#stale").hidden && [...document.querySelectorAll("#events li b")].filter((e) => e.textContent === "Backup complete").length === 2`)
	b.has("#events", "Compaction")
	ids := eval[[]string](b, `[...document.querySelectorAll("#events li")].map((e) => e.dataset.id)`)
	require.Len(t, ids, 3, "each once: %s", ids)
	require.True(t, eval[bool](b, "window.same"), "no reload")
}

// input is the file of real input that lies beside the checkout, or where there is none
// some that is made up, for the nine tables; and how many records it has.
func input(t *testing.T) (file string, records int) {
	t.Helper()
	file, err := filepath.Abs("../../../shared/data/agenthub.jsonl.gz")
	require.NoError(t, err)
	if _, err := os.Stat(file); err == nil && !testing.Short() {
		return file, 53929
	}
	t.Log("the real input is not beside the checkout, or -short is asked for: some is made up")
	var b strings.Builder
	for _, table := range app.DefaultTables() {
		for i := range 300 {
			fmt.Fprintf(&b, `{"table":%q,"key":"key-%d","value":%q}`+"\n", table, i, value(i))
		}
		records += 300
	}
	file = filepath.Join(t.TempDir(), "input.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o600))
	return file, records
}

// await looks until something is so; the page is asked elsewhere, by [tab.wait].
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, 40*time.Second, 20*time.Millisecond, what)
}
