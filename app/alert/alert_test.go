package alert_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/app/alert"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/jonboulle/clockwork"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is the base64 of 24 bytes; the word in it is looked for where it must not be.
const secret = "whsec_Q0FOQVJZY2FuYXJ5Q0FOQVJZY2FuYXJ5"

// receiver is a webhook's other end. What it answers is taken from answers, then 200.
type receiver struct {
	*httptest.Server
	answers chan int
	got     chan received
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T, answers ...int) *receiver {
	r := &receiver{answers: make(chan int, len(answers)), got: make(chan received, 100)}
	for _, a := range answers {
		r.answers <- a
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		select {
		case code := <-r.answers:
			w.WriteHeader(code)
		default:
		}
		r.got <- received{req.Header, body}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) next(t *testing.T) received {
	t.Helper()
	select {
	case got := <-r.got:
		return got
	case <-time.After(20 * time.Second):
		require.Fail(t, "no alarm came")
		return received{}
	}
}

// world is what senders are made in.
type world struct {
	dir   string
	clock *clockwork.FakeClock
	mu    sync.Mutex
	log   bytes.Buffer
}

func newWorld(t *testing.T) *world {
	return &world{dir: filepath.Join(t.TempDir(), "alerts"), clock: clockwork.NewFakeClockAt(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))}
}

func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func (w *world) open(t *testing.T, cfg alert.Config, change ...func(*alert.Options)) *alert.Sender {
	t.Helper()
	require.NoError(t, cfg.Validate())
	o := alert.Options{Config: cfg, Dir: w.dir, FS: disk.OS, Wall: w.clock, Agent: "brock/test",
		Logger: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, c := range change {
		c(&o)
	}
	s := alert.Open(o)
	t.Cleanup(func() { shut(t, s) })
	return s
}

func shut(t *testing.T, s *alert.Sender) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, s.Close(ctx))
}

func (w *world) alarm(t *testing.T, text string) alert.Alarm {
	t.Helper()
	e, err := bus.NewEvent(bus.CompactionFailed, "hub", w.clock.Now(), map[string]string{"status": "failed"})
	require.NoError(t, err)
	a, err := alert.New(e, text)
	require.NoError(t, err)
	return a
}

// advance moves the clock until the alarm comes: a receiver's backoff is on.
func (w *world) advance(t *testing.T, r *receiver) received {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		select {
		case got := <-r.got:
			return got
		case <-ctx.Done():
			require.Fail(t, "no alarm came")
		case <-time.After(time.Millisecond):
			w.clock.Advance(time.Second)
		}
	}
}

func TestWebhookIsSignedAndTriedAgain(t *testing.T) {
	w, r := newWorld(t), newReceiver(t, 500, 503)
	s := w.open(t, alert.Config{Webhooks: []alert.Webhook{{URL: r.URL, Secret: secret}}})
	a := w.alarm(t, "compaction <failed> & more")
	s.Raise(a)
	first := r.next(t)
	require.Eventually(t, func() bool { return len(s.Troubles()) == 1 }, 10*time.Second, time.Millisecond)
	second := w.advance(t, r)
	third := w.advance(t, r)
	for _, got := range []received{first, second, third} {
		require.Equal(t, a.ID, got.header.Get("webhook-id"), "receivers know by the id what they have already")
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		require.Equal(t, "brock/test", got.header.Get("User-Agent"))
		verify(t, got)
	}
	require.NotEqual(t, first.header.Get("webhook-timestamp"), third.header.Get("webhook-timestamp"))

	var body map[string]any
	require.NoError(t, json.Unmarshal(first.body, &body))
	require.Equal(t, map[string]any{"type": "compaction_failed", "id": a.ID, "hub": "hub", "timestamp": float64(a.At.UnixMilli()),
		"status": "failed", "text": "compaction <failed> & more"}, body)
	var e bus.Event
	require.NoError(t, json.Unmarshal(first.body, &e), "it is an event still")
	require.Eventually(t, func() bool { return len(s.Troubles()) == 0 && len(waiting(t, w)) == 0 }, 10*time.Second, time.Millisecond)
}

// verify checks a signature as a receiver would, after the specification and not after
// the code that signs.
func verify(t *testing.T, got received) {
	t.Helper()
	sent, err := strconv.ParseInt(got.header.Get("webhook-timestamp"), 10, 64)
	require.NoError(t, err)
	require.Equal(t, 2026, time.Unix(sent, 0).UTC().Year())
	key, err := base64.StdEncoding.DecodeString(secret[len("whsec_"):])
	require.NoError(t, err)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", got.header.Get("webhook-id"), sent, got.body)
	require.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), got.header.Get("webhook-signature"))
}

func waiting(t *testing.T, w *world) []string {
	files, err := filepath.Glob(filepath.Join(w.dir, "*", "*.alarm"))
	require.NoError(t, err)
	return files
}

func TestWhatWaitsSurvivesARestart(t *testing.T) {
	w, r := newWorld(t), newReceiver(t, 500)
	cfg := alert.Config{Webhooks: []alert.Webhook{{URL: r.URL}}}
	s := w.open(t, cfg)
	first, second := w.alarm(t, "first"), w.alarm(t, "second")
	s.Raise(first)
	require.Equal(t, first.ID, r.next(t).header.Get("webhook-id"))
	s.Raise(second)
	shut(t, s)
	require.Len(t, waiting(t, w), 2)
	for _, file := range waiting(t, w) {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}

	s = w.open(t, cfg)
	for _, a := range []alert.Alarm{first, second} {
		got := r.next(t)
		require.Equal(t, a.ID, got.header.Get("webhook-id"))
		require.Equal(t, string(a.Body), string(got.body))
		require.Empty(t, got.header.Get("webhook-signature"), "there is no secret")
	}
	shut(t, s)
	require.Empty(t, waiting(t, w))
	w.open(t, alert.Config{Webhooks: []alert.Webhook{{URL: "http://127.0.0.1:1"}}})
	left, err := os.ReadDir(w.dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "what waits for others is gone")
}

// One receiver that is down, and one that refuses an alarm, hold up neither others nor
// what comes later.
func TestABadReceiverHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	good, picky := newReceiver(t), newReceiver(t, 400)
	s := w.open(t, alert.Config{Webhooks: []alert.Webhook{{URL: "http://127.0.0.1:1"}, {URL: picky.URL}, {URL: good.URL}}})
	first, second := w.alarm(t, "first"), w.alarm(t, "second")
	s.Raise(first)
	s.Raise(second)
	for _, a := range []alert.Alarm{first, second} {
		require.Equal(t, a.ID, good.next(t).header.Get("webhook-id"))
		require.Equal(t, a.ID, picky.next(t).header.Get("webhook-id"))
	}
	require.Equal(t, first.ID, w.advance(t, picky).header.Get("webhook-id"), "what was refused comes again")
	require.Eventually(t, func() bool {
		bad := s.Troubles()
		return len(bad) == 1 && bad[0].Channel == "webhook 127.0.0.1:1" && bad[0].Waiting == 2
	}, 10*time.Second, time.Millisecond)
}

func TestAlarmsAreBoundedInNumberAndTime(t *testing.T) {
	w := newWorld(t)
	s := w.open(t, alert.Config{Webhooks: []alert.Webhook{{URL: "http://127.0.0.1:1"}}}, func(o *alert.Options) { o.Most = 3 })
	for i := range 5 {
		s.Raise(w.alarm(t, fmt.Sprint(i)))
	}
	require.Len(t, waiting(t, w), 3)
	require.Contains(t, w.logged(), "dropped=2")
	require.Eventually(t, func() bool { return len(s.Troubles()) == 1 }, 10*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for len(waiting(t, w)) > 0 {
		require.NoError(t, w.clock.BlockUntilContext(ctx, 1))
		w.clock.Advance(time.Hour)
	}
	require.Contains(t, w.logged(), "did not arrive within a day")
}

func TestCommandGetsTheAlarm(t *testing.T) {
	t.Setenv("BROCK_ALERT_SECRET", secret)
	w := newWorld(t)
	out := filepath.Join(t.TempDir(), "out")
	s := w.open(t, alert.Config{Command: []string{"/bin/sh", "-c", `{ cat; echo; echo "$BROCK_EVENT|$BROCK_TEXT|$BROCK_ALERT_SECRET"; } > ` + out + `.tmp && mv ` + out + `.tmp ` + out}})
	a := w.alarm(t, "it's \"bad\"")
	s.Raise(a)
	require.Eventually(t, func() bool { _, err := os.Stat(out); return err == nil }, 10*time.Second, time.Millisecond)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, string(a.Body)+"\ncompaction_failed|it's \"bad\"|\n", string(text))
}

// A command that hangs is ended with all that it has started, and tried again.
func TestACommandThatHangsIsKilled(t *testing.T) {
	w := newWorld(t)
	pids := filepath.Join(t.TempDir(), "pids")
	s := w.open(t, alert.Config{Command: []string{"/bin/sh", "-c", "sleep 600 & echo $! >> " + pids + "; head -c 100000 /dev/zero | tr '\\0' x; wait"}},
		func(o *alert.Options) { o.CommandWithin = 300 * time.Millisecond })
	d := s.Test(context.Background(), w.alarm(t, "x"))
	require.Len(t, d, 1)
	require.Equal(t, alert.Failed, d[0].Status)
	require.Contains(t, d[0].Error, "command sh did not end within 300ms and was killed")
	require.Less(t, d[0].DurationMS, 10_000.0)
	pid, err := os.ReadFile(pids)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !alive(strings.TrimSpace(string(pid))) }, 10*time.Second, time.Millisecond, "its child is gone")
	require.Less(t, len(w.logged()), 8<<10, "its output is bounded")
	failing := w.open(t, alert.Config{Command: []string{"/nowhere/program"}}, func(o *alert.Options) { o.Dir += "2" })
	require.Equal(t, alert.Failed, failing.Test(context.Background(), w.alarm(t, "x"))[0].Status)
}

// alive says whether the process runs; a zombie does not.
func alive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	w, target := newWorld(t), newReceiver(t)
	moved := httptest.NewServer(http.RedirectHandler(target.URL, http.StatusTemporaryRedirect))
	defer moved.Close()
	s := w.open(t, alert.Config{Webhooks: []alert.Webhook{{URL: moved.URL, Secret: secret}}})
	d := s.Test(context.Background(), w.alarm(t, "x"))
	require.Equal(t, alert.Failed, d[0].Status)
	require.Contains(t, d[0].Error, "redirects")
	require.Empty(t, target.got)
}

func TestSecretsStayInside(t *testing.T) {
	w, r := newWorld(t), newReceiver(t, 500, 500)
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		_ = conn.Close()
	}))
	defer cut.Close()
	secretly := func(u string) string {
		return strings.Replace(u, "http://", "http://CANARY:CANARY@", 1) + "/CANARY?token=CANARY"
	}
	cfg := alert.Config{Heartbeat: secretly(cut.URL), Webhooks: []alert.Webhook{{URL: secretly(r.URL), Secret: secret}, {URL: secretly(cut.URL), Secret: secret},
		{URL: "http://CANARY:CANARY@127.0.0.1:1/CANARY", Secret: secret}}}
	s := w.open(t, cfg)
	s.StartHeartbeat(func(context.Context) bool { return true })
	a := w.alarm(t, "x")
	s.Raise(a)
	told := fmt.Sprint(s.Test(context.Background(), a))
	require.Eventually(t, func() bool { return len(s.Troubles()) == 3 }, 10*time.Second, time.Millisecond)
	told += fmt.Sprint(s.Troubles()) + fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg) + fmt.Sprintf("%+v", struct{ C alert.Config }{cfg})
	slog.New(slog.NewTextHandler(w, nil)).Info("config", "alerts", cfg, "hook", cfg.Webhooks[0])
	for _, bad := range []alert.Config{
		{Webhooks: []alert.Webhook{{URL: "ftp://CANARY"}}}, {Webhooks: []alert.Webhook{{URL: "http://a b/CANARY"}}},
		{Webhooks: []alert.Webhook{{URL: "%CANARY"}}}, {Webhooks: []alert.Webhook{{URL: "http://a", Secret: "CANARY"}}},
		{Heartbeat: "CANARY"}, {Webhooks: []alert.Webhook{cfg.Webhooks[0], cfg.Webhooks[0]}}, {HeartbeatEvery: 1}, {Command: []string{""}},
	} {
		err := bad.Validate()
		require.ErrorIs(t, err, storage.ErrInvalid)
		told += err.Error()
	}
	told += w.logged() + strings.Join(waiting(t, w), " ")
	for _, word := range []string{"CANARY", "Q0FOQVJZ", base64.StdEncoding.EncodeToString([]byte("CANARY:CANARY"))} {
		require.NotContains(t, told, word)
	}
	require.Contains(t, told, strings.TrimPrefix(r.URL, "http://"), "the host may be told")
}

func TestHeartbeatGoesOutWhileAllIsWell(t *testing.T) {
	w, r := newWorld(t), newReceiver(t)
	s := w.open(t, alert.Config{Heartbeat: r.URL, HeartbeatEvery: time.Minute})
	require.Equal(t, alert.Held, s.Test(context.Background(), w.alarm(t, "x"))[0].Status, "nobody says that all is well")
	well := make(chan bool, 10)
	well <- true
	s.StartHeartbeat(func(context.Context) bool { return <-well })
	r.next(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, w2 := range []bool{false, false, true} {
		require.NoError(t, w.clock.BlockUntilContext(ctx, 1))
		require.Empty(t, r.got)
		well <- w2
		w.clock.Advance(time.Minute)
	}
	r.next(t)
	require.Contains(t, w.logged(), "held back")
}
