package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/bus"
	"github.com/stretchr/testify/require"
)

type tailPage struct {
	Lines string      `json:"lines"`
	After app.Version `json:"after"`
	Skip  int         `json:"skip"`
	Done  bool        `json:"done"`
}

func tailOf(ctx context.Context, h *app.Hub, req map[string]any) (p tailPage, err error) {
	req["table"] = "jobs"
	return p, remote.Call(ctx, h, "records.tail", req, &p)
}

// Pages of any size, which end in the middle of commits too, tell each change once and
// in order.
func TestTailGoesOnWhereAPageEnded(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables, cfg.Offline = []string{"jobs"}, true
	h := open(t, cfg)
	jobs := table(t, h, "jobs")
	var want []string
	for i := range 4 {
		var b app.Batch
		for j := range 30 {
			key := fmt.Sprintf("%d/%02d", i, j)
			b = append(b, app.Op{Key: []byte(key), Value: bytes.Repeat([]byte{byte(j)}, 28<<10)}) // more than a page
			want = append(want, key)
		}
		_, err := jobs.Apply(t.Context(), b)
		require.NoError(t, err)
	}
	for _, limit := range []int{0, 1, 7, 30} {
		var got []string
		req := map[string]any{"from": "0", "until": "latest", "limit": limit}
		for pages := 0; ; pages++ {
			p, err := tailOf(t.Context(), h, req)
			require.NoError(t, err)
			for line := range strings.Lines(p.Lines) {
				var c struct{ Key string }
				require.NoError(t, json.Unmarshal([]byte(line), &c))
				got = append(got, c.Key)
			}
			if p.Done {
				require.Greater(t, pages, 3)
				break
			}
			req = map[string]any{"after": p.After, "skip": p.Skip, "until": "latest", "limit": limit}
		}
		require.Equal(t, want, got, "limit %d", limit)
	}
}

func TestTailWaits(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables, cfg.Offline = []string{"jobs"}, true
	h := open(t, cfg)
	p, err := tailOf(t.Context(), h, map[string]any{"wait_ms": 1})
	require.NoError(t, err)
	require.Empty(t, p.Lines)
	type answer struct {
		tailPage
		err error
	}
	answers := make(chan answer)
	ask := func() {
		p, err := tailOf(context.Background(), h, map[string]any{"after": p.After, "wait_ms": 30_000})
		answers <- answer{p, err}
	}
	go ask()
	v, err := table(t, h, "jobs").Put(t.Context(), []byte("k"), []byte("1"))
	require.NoError(t, err)
	a := <-answers
	require.NoError(t, a.err)
	require.Contains(t, a.Lines, fmt.Sprintf(`{"table":"jobs","key":"k","value":1,"version":%d,`, v))
	p = a.tailPage
	go ask()
	shut(t, h)
	require.ErrorIs(t, (<-answers).err, &bus.Error{Code: "closed"})
}

func TestTailRefuses(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables, cfg.Offline = []string{"jobs"}, true
	h := open(t, cfg)
	for _, req := range []map[string]any{{"limit": -1}, {"skip": -1}, {"wait_ms": -1}, {"after": 1, "from": "0"}, {"from": "soon"}, {"until": "2100-01-01T00:00:00Z"}} {
		_, err := tailOf(t.Context(), h, req)
		require.ErrorIs(t, err, &bus.Error{Code: "invalid"}, "%v", req)
	}
	shut(t, h)
	cfg.LogInterval = -1
	h = open(t, cfg)
	_, err := tailOf(t.Context(), h, map[string]any{})
	require.ErrorContains(t, err, "keeps no change log")
}
