//go:build linux

package disks

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brockdb/brock/app/remote"
	"github.com/brockdb/brock/bus"
	"github.com/stretchr/testify/require"
)

// place is a hub's data and vault on disks of their own.
func place(t *testing.T, data, vault int64) (d, v *volume, h *hub) {
	d, v = newVolume(t, data), newVolume(t, vault)
	return d, v, newHub(t, on(d, v))
}

func on(d, v *volume) order {
	return order{Data: filepath.Join(d.dir, "data"), Vault: filepath.Join(v.dir, "vault"), MinFree: 16 * mib}
}

func (h *hub) fails(q question, is string) answer {
	h.t.Helper()
	a := h.ask(q)
	require.Contains(h.t, a.Is, is, "%s: %+v", q.Do, a)
	return a
}

// wellAfterwards is a hub whose trouble is over: everything works, without a restart,
// nothing acknowledged is missing, and nobody took the trouble for damage.
func (h *hub) wellAfterwards() {
	h.t.Helper()
	require.True(h.t, h.alive())
	h.until(question{Do: "put", Table: "a", Key: "ping", Value: []byte("x")}, works)
	h.note("a", "ping", []byte("x"), answer{})
	h.until(question{Do: "backup"}, works)
	for _, what := range []string{"verify", "drill", "compact"} {
		h.until(question{Do: what}, works)
	}
	h.check()
	h.noDamage()
	h.until(question{Do: "health"}, func(a answer) bool { return a.Status == "ok" })
}

// The data's disk is filled by somebody else, below what is kept back: writes are refused
// with a name and in words, everything that is built for them too, and all else goes on.
func TestTheDataDiskFillsUp(t *testing.T) {
	t.Parallel()
	d, _, h := place(t, 160*mib, 64*mib)
	require.Equal(t, 20, h.write("a", 20, 4000)+h.write("b", 0, 0))
	h.do("backup", "")
	d.fill(8 * mib)
	for _, table := range h.order.Tables {
		h.fails(question{Do: "put", Table: table, Key: "refused", Value: []byte("x")}, "ErrNoSpace")
		require.Equal(t, "no_space", h.put(table, "refused", nil).Code)
	}
	h.roads(t)
	h.check()
	h.do("backup", "")
	h.do("verify", "")
	for _, what := range []string{"drill", "compact", "restore"} {
		h.fails(question{Do: what, Table: "a"}, "ErrNoSpace")
	}
	h.says("writes are refused, disk almost full: ")
	require.Equal(t, "unhealthy", h.ask(question{Do: "health"}).Status)
	d.empty()
	h.wellAfterwards()
	h.endsClean()
}

// endsClean stops the hub, which leaves nothing unfinished: a live one has files in the
// making.
func (h *hub) endsClean() {
	h.t.Helper()
	require.Empty(h.t, h.stop().Error)
	require.Empty(h.t, h.left())
}

// left is what unfinished work has left in data and vault.
func (h *hub) left() (names []string) {
	for _, dir := range []string{h.order.Data, h.order.Vault} {
		_ = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err == nil && strings.HasPrefix(e.Name(), ".tmp-") && !strings.Contains(path, "jetstream") {
				names = append(names, path)
			}
			return nil
		})
	}
	return names
}

// roads asks over HTTP and NATS: the same code on each.
func (h *hub) roads(t *testing.T) {
	t.Helper()
	creds, err := remote.LoadCredentials(h.order.Data)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := bus.Dial(ctx, h.first.NATS, creds.Admin, bus.Admin)
	require.NoError(t, err)
	defer c.Close()
	err = c.Request(ctx, "hub", "records.import", []byte(`{"table":"a","key":"k","value":1}`), nil)
	require.ErrorIs(t, err, &bus.Error{Code: "no_space"})
	var health struct {
		Conditions []string `json:"conditions"`
	}
	req, err := http.NewRequestWithContext(ctx, "GET", h.first.HTTP+"/api/admin/health", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+creds.Viewer.Token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(body, &health))
	require.Contains(t, strings.Join(health.Conditions, "\n"), "writes are refused")
}

// To the last byte: reads go on, a stop and a start say what is wrong and end no process,
// and the next start with space has everything.
func TestTheDataDiskIsFull(t *testing.T) {
	t.Parallel()
	d, _, h := place(t, 128*mib, 64*mib)
	h.write("a", 20, 4000)
	h.write("b", 20, 4000)
	d.fill(0)
	h.fails(question{Do: "put", Table: "a", Key: "refused"}, "ErrNoSpace")
	h.check()
	a := h.stop()
	require.Contains(t, a.Is, "ErrNoSpace", "%+v", a)
	require.NoError(t, h.end, "the process ends in order")
	for range 4 {
		h.start()
		if h.first.Error == "" { // it did not need a byte
			a := h.ask(question{Do: "get", Table: "a", Key: "key-0001"})
			require.True(t, a.Error == "" || slices.Contains(a.Is, "ErrNoSpace"), "%+v", a)
			a = h.stop()
			require.True(t, a.Error == "" || slices.Contains(a.Is, "ErrNoSpace"), "%+v", a)
		} else {
			require.Contains(t, h.first.Is, "ErrNoSpace", "%+v", h.first)
		}
		<-h.ended
		require.NoError(t, h.end, "%s", h.log)
	}
	d.empty()
	h.start()
	require.Empty(t, h.first.Error)
	h.check()
	h.wellAfterwards()
}

// There is some space, but not what the memtables of a hub that was killed need: its
// tables are down, say why, and are opened when there is space. Nobody is blamed.
func TestAStartWithLittleSpace(t *testing.T) {
	t.Parallel()
	d, _, h := place(t, 160*mib, 64*mib)
	h.write("a", 60, 30_000)
	h.write("b", 60, 30_000)
	h.kill()
	d.fill(mib + mib/2)
	for range 4 { // as often as it takes to blame a table
		h.start()
		require.Empty(t, h.first.Error)
		a := h.ask(question{Do: "get", Table: "a", Key: "key-0001"})
		require.Contains(t, a.Is, "ErrNoSpace", "%+v", a)
		require.Contains(t, a.Is, "ErrUnavailable")
		require.NotContains(t, a.Is, "ErrDamaged")
		require.Equal(t, "no_space", a.Code)
		h.says("table a is unavailable: ")
		h.kill()
	}
	h.start()
	d.empty()
	h.until(question{Do: "get", Table: "a", Key: "key-0001"}, works)
	h.until(question{Do: "get", Table: "b", Key: "key-0001"}, works)
	h.check()
	h.wellAfterwards()
}

// The vault's disk is full: tables do not notice, backups fail by name, and what they and
// the change log owe is made up for when there is space.
func TestTheVaultFillsUp(t *testing.T) {
	t.Parallel()
	_, v, h := place(t, 160*mib, 32*mib)
	h.write("a", 20, 4000)
	h.do("backup", "")
	v.fill(0)
	require.Equal(t, 20, h.write("b", 20, 4000), "writes need no vault")
	a := h.fails(question{Do: "backup"}, "ErrNoSpace")
	require.Equal(t, "failed", a.Status)
	h.fails(question{Do: "drill"}, "ErrNoSpace") // its proof cannot be kept
	h.says("the vault's disk 100 % full")
	h.until(question{Do: "events"}, func(a answer) bool { return strings.Contains(strings.Join(a.Words, "\n"), "backup_failed ") })
	h.check()
	v.empty()
	h.wellAfterwards()
	h.lossOfData()
}

// lossOfData takes the data away and brings all of it back from the vault.
func (h *hub) lossOfData() {
	h.t.Helper()
	h.endsClean()
	require.NoError(h.t, os.RemoveAll(h.order.Data))
	h.start()
	for _, table := range h.order.Tables {
		h.fails(question{Do: "get", Table: table, Key: "k"}, "ErrLost")
		a := h.ask(question{Do: "restore", Table: table, At: "latest"})
		require.Empty(h.t, a.Error)
	}
	h.check()
}

// Both lie on one disk, and a table on a disk of its own: where that is full the other
// tables go on.
func TestOneTablesDiskIsFull(t *testing.T) {
	t.Parallel()
	d := newVolume(t, 192*mib)
	own := newVolume(t, 96*mib)
	o := order{Data: filepath.Join(d.dir, "data"), Vault: filepath.Join(d.dir, "vault"), MinFree: 16 * mib}
	own.also(filepath.Join(o.Data, "tables", "b"))
	h := newHub(t, o)
	h.write("a", 10, 4000)
	h.write("b", 10, 4000)
	own.fill(8 * mib)
	h.fails(question{Do: "put", Table: "b", Key: "refused"}, "ErrNoSpace")
	require.Equal(t, 10, h.write("a", 10, 2000))
	h.do("backup", "")
	h.says("b")
	h.check()
	own.empty()
	h.until(question{Do: "put", Table: "b", Key: "k", Value: []byte("x")}, works)
}
