//go:build linux

package disks

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait. It only decides how soon a hanging test fails.
const patience = 30 * time.Second

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func digest(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:8]) }

// hub is a hub in a process of its own, and the outside record of what it acknowledged.
type hub struct {
	t     *testing.T
	order order
	first answer // at its start
	record

	mu      sync.Mutex
	cmd     *exec.Cmd
	in      *json.Encoder
	log     *logText
	waiting map[int]chan answer
	next    int
	ended   chan struct{} // closed when the process has ended
	end     error
}

// record is what must be in each table: by key the digests of its value, and of those
// that nobody knows the outcome of.
type record struct {
	mu      sync.Mutex
	acked   map[string]map[string]string
	maybe   map[string]map[string][]string
	count   int // acknowledged
	refused int // that are known not to be written
}

func newHub(t *testing.T, o order) *hub {
	t.Helper()
	if o.Tables == nil {
		o.Tables = []string{"a", "b"}
	}
	h := &hub{t: t, order: o, record: record{acked: map[string]map[string]string{}, maybe: map[string]map[string][]string{}}}
	t.Cleanup(h.kill)
	t.Cleanup(func() {
		if t.Failed() && h.log != nil {
			t.Logf("the hub's log:\n%s", h.log)
		}
	})
	h.start()
	require.Empty(t, h.first.Error)
	return h
}

// start starts the process and waits until the hub is open, or could not be opened.
func (h *hub) start() {
	h.t.Helper()
	told, err := json.Marshal(h.order)
	require.NoError(h.t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+string(told))
	if h.log == nil {
		h.log = &logText{}
	}
	cmd.Stderr = h.log
	in, err := cmd.StdinPipe()
	require.NoError(h.t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(h.t, err)
	require.NoError(h.t, cmd.Start())
	first := make(chan answer, 1)
	h.mu.Lock()
	h.cmd, h.in, h.waiting, h.next, h.ended = cmd, json.NewEncoder(in), map[int]chan answer{0: first}, 1, make(chan struct{})
	h.mu.Unlock()
	go h.read(cmd, bufio.NewScanner(out), h.ended)
	h.first = h.await(first)
}

func (h *hub) read(cmd *exec.Cmd, out *bufio.Scanner, ended chan struct{}) {
	out.Buffer(nil, 64<<20)
	for out.Scan() {
		var a answer
		if json.Unmarshal(out.Bytes(), &a) != nil {
			continue
		}
		h.mu.Lock()
		c := h.waiting[a.ID]
		delete(h.waiting, a.ID)
		h.mu.Unlock()
		if c != nil {
			c <- a
		}
	}
	err := cmd.Wait()
	h.mu.Lock()
	if h.ended == ended { // else another process has been started since
		h.end = err
	}
	h.mu.Unlock()
	close(ended)
}

// died is the answer of a process that has ended.
const died = "the process has ended"

func (h *hub) await(c chan answer) answer {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case a := <-c:
		return a
	case <-h.ended:
	case <-timeout.C:
		_ = h.cmd.Process.Signal(syscall.SIGQUIT) // what it is doing is in its log then
		h.t.Errorf("no answer within %v: %s", patience, debug.Stack())
		return answer{Error: "no answer"}
	}
	select {
	case a := <-c: // it came before
		return a
	default:
		return answer{Error: died}
	}
}

// ask asks the hub, which may die of it.
func (h *hub) ask(q question) answer { return h.await(h.begin(q)) }

// begin asks, and does not wait for the answer.
func (h *hub) begin(q question) chan answer {
	c := make(chan answer, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	q.ID = h.next
	h.next++
	h.waiting[q.ID] = c
	_ = h.in.Encode(q)
	return c
}

// do asks something of a table that must succeed.
func (h *hub) do(what, table string) answer {
	h.t.Helper()
	a := h.ask(question{Do: what, Table: table})
	require.Empty(h.t, a.Error, "%s %s", what, table)
	return a
}

func (h *hub) alive() bool {
	select {
	case <-h.ended:
		return false
	default:
		return true
	}
}

// kill ends the process as kill -9 does, if it has not ended.
func (h *hub) kill() {
	if h.cmd == nil {
		return
	}
	_ = h.cmd.Process.Signal(syscall.SIGKILL)
	<-h.ended
}

// stop closes the hub.
func (h *hub) stop() answer {
	a := h.ask(question{Do: "close"})
	<-h.ended
	return a
}

func (h *hub) pid() int { return h.cmd.Process.Pid }

// put writes one record and notes what was answered.
func (h *hub) put(table, key string, value []byte) answer {
	a := h.ask(question{Do: "put", Table: table, Key: key, Value: value})
	h.note(table, key, value, a)
	return a
}

func (r *record) note(table, key string, value []byte, a answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.acked[table] == nil {
		r.acked[table], r.maybe[table] = map[string]string{}, map[string][]string{}
	}
	switch {
	case a.Error == "":
		r.acked[table][key] = digest(value)
		delete(r.maybe[table], key)
		r.count++
	case a.Error == died || a.Error == "no answer" || slices.Contains(a.Is, "ErrUnknownOutcome"):
		r.maybe[table][key] = append(r.maybe[table][key], digest(value))
	default:
		r.refused++
	}
}

// write puts n records of the size, from so many writers, and returns how many were
// acknowledged.
func (h *hub) write(table string, n, size int) (acknowledged int) {
	for i := range n {
		if h.put(table, fmt.Sprintf("key-%04d", i), bytesOf(size)).Error == "" {
			acknowledged++
		}
	}
	return acknowledged
}

func bytesOf(n int) []byte {
	b := make([]byte, n)
	for i := 0; i+8 <= n; i += 8 {
		x := rand.Uint64()
		for j := range 8 {
			b[i+j] = byte(x >> (8 * j))
		}
	}
	return b
}

// check holds every table to the record: nothing acknowledged is missing, and nothing
// is there that was refused.
func (h *hub) check() {
	h.t.Helper()
	for _, table := range h.order.Tables {
		a := h.ask(question{Do: "scan", Table: table})
		require.Empty(h.t, a.Error, table)
		h.compare(table, a.Records)
	}
}

func (r *hub) compare(table string, found map[string]string) {
	r.t.Helper()
	r.record.mu.Lock()
	defer r.record.mu.Unlock()
	for key, want := range r.acked[table] {
		if got := found[key]; got != want && !slices.Contains(r.maybe[table][key], got) {
			r.t.Fatalf("table %s: key %s is %q, acknowledged was %q", table, key, got, want)
		}
	}
	for key, got := range found {
		if r.acked[table][key] != got && !slices.Contains(r.maybe[table][key], got) {
			r.t.Fatalf("table %s: key %s is there and was never acknowledged", table, key)
		}
	}
	for key := range r.maybe[table] { // now it is known
		if got, ok := found[key]; ok {
			r.acked[table][key] = got
		}
	}
	r.maybe[table] = map[string][]string{}
}

// until asks again and again until the answer is right; each question is one to the
// hub, which takes its time.
func (h *hub) until(q question, right func(answer) bool) answer {
	h.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		a := h.ask(q)
		if right(a) || !h.alive() {
			require.True(h.t, right(a), "%+v", a)
			return a
		}
		select {
		case <-tick.C:
		case <-end.C:
			h.t.Fatalf("%s %s does not come right: %+v", q.Do, q.Table, a)
		}
	}
}

func works(a answer) bool { return a.Error == "" }

// noDamage holds the hub to what a broken disk is not: damage, or a reason to roll back.
func (h *hub) noDamage() {
	h.t.Helper()
	for _, e := range h.ask(question{Do: "events"}).Words {
		for _, bad := range []string{"corruption_detected", "recovery_", "table_degraded"} {
			asked := strings.Contains(e, `"trigger":"manual"`)
			require.False(h.t, strings.HasPrefix(e, bad) && !asked, e)
		}
	}
}

// says holds health to words.
func (h *hub) says(words string) {
	h.t.Helper()
	h.until(question{Do: "health"}, func(a answer) bool { return strings.Contains(strings.Join(a.Words, "\n"), words) })
}

// logText is what the hub has written to its log.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.b.Bytes()
	return string(b[max(0, len(b)-400_000):])
}
