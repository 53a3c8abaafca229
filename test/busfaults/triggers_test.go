package busfaults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/test/harness"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// answers counts what came of triggers.
type answers struct {
	mu      sync.Mutex
	runs    map[string]int
	refused map[string]int
}

func (a *answers) ran(run string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs[run]++
}

func (a *answers) refuse(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused[reason]++
}

// check holds the sum to the number of those who asked. Nearly all join a few runs.
func (a *answers) check(t *testing.T, asked int, runs int) {
	t.Helper()
	sum := 0
	for _, m := range []map[string]int{a.runs, a.refused} {
		for _, n := range m {
			sum += n
		}
	}
	require.Equal(t, asked, sum)
	require.NotEmpty(t, a.runs)
	require.LessOrEqual(t, len(a.runs), runs)
	require.NotContains(t, a.refused, "", "each refusal has a reason")
	t.Logf("%d asked: %d runs, refused: %v", asked, len(a.runs), a.refused)
}

// made is how many runs the vault has.
func made(t *testing.T, h *harness.Harness) int {
	t.Helper()
	n := 0
	for _, e := range h.Events() {
		if e.Type == bus.BackupComplete {
			n++
		}
	}
	return n
}

// An embedder's goroutines all ask at once.
func TestTriggersAtOnceFromGo(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	h.Put("a", "k", "v")
	a := &answers{runs: map[string]int{}, refused: map[string]int{}}
	before := heap()
	start := make(chan struct{})
	var wg sync.WaitGroup
	for range *triggers {
		wg.Go(func() {
			<-start
			run, err := h.Hub().Backup(context.Background())
			if err != nil {
				a.refuse(err.Error())
				return
			}
			a.ran(run.ID)
		})
	}
	close(start)
	wg.Wait()
	a.check(t, *triggers, 20)
	require.Empty(t, a.refused)
	if after := heap(); after > before+64<<20 {
		t.Errorf("%d MiB more are in use", (after-before)>>20)
	}
	for id := range a.runs {
		_, err := h.Hub().Run(t.Context(), id)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, made(t, h), len(a.runs))
}

// Clients over NATS all ask at once: some are let in, the rest are told to come later.
func TestTriggersAtOnceOverNATS(t *testing.T) {
	h := harness.New(t, harness.Tables("a"))
	h.Put("a", "k", "v")
	cred, _ := h.Hub().Credentials().Role(bus.Operator)
	nc, err := nats.Connect(h.Hub().NATSURL(), nats.UserInfo(cred.User, cred.Password))
	require.NoError(t, err)
	defer nc.Close()
	replies := make(chan *nats.Msg, *triggers+1)
	inbox := nc.NewInbox()
	_, err = nc.ChanSubscribe(inbox+".*", replies)
	require.NoError(t, err)
	for i := range *triggers {
		require.NoError(t, nc.PublishRequest("brock."+h.Hub().Name()+".backup", fmt.Sprint(inbox, ".", i), nil))
	}
	a := &answers{runs: map[string]int{}, refused: map[string]int{}}
	seen := map[string]bool{}
	for range *triggers {
		select {
		case msg := <-replies:
			require.False(t, seen[msg.Subject], "answered twice")
			seen[msg.Subject] = true
			a.reply(t, msg.Header.Get("Nats-Service-Error-Code") != "", msg.Data)
		case <-time.After(2 * patience):
			t.Fatalf("%d of %d were answered", len(seen), *triggers)
		}
	}
	require.NoError(t, nc.Flush())
	require.Empty(t, replies)
	a.check(t, *triggers, 30)
}

func (a *answers) reply(t *testing.T, failed bool, body []byte) {
	t.Helper()
	var out struct{ Error, Message, Run string }
	switch err := json.Unmarshal(body, &out); {
	case err != nil || (out.Message == "") == failed || (out.Run == "") != failed:
		t.Errorf("failed: %v: %v: %s", failed, err, body)
	case failed:
		a.refuse(out.Error)
	default:
		a.ran(out.Run)
	}
}

// And over HTTP, as many as may be connected at a time.
func TestTriggersAtOnceOverHTTP(t *testing.T) {
	h := harness.New(t, harness.Tables("a"), harness.Configure(func(c *app.Config) { c.HTTPAddr = "127.0.0.1:0" }))
	h.Put("a", "k", "v")
	a := &answers{runs: map[string]int{}, refused: map[string]int{}}
	turns := make(chan struct{}, 200)
	client := &http.Client{Timeout: 2 * patience, Transport: &http.Transport{MaxIdleConnsPerHost: cap(turns)}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	for range *triggers {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.Hub().HTTPURL()+"/api/admin/backup", nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+h.Hub().Credentials().Operator.Token)
			res, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Error(err)
				return
			}
			a.reply(t, res.StatusCode != http.StatusOK, body)
		})
	}
	wg.Wait()
	a.check(t, *triggers, 30)
}
