package rot

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
)

const childVar = "BROCK_ROT_CHILD"

// order is what a child is told to do with a directory: to open the hub in it and hold
// it to what its tables should have, after it has done harm, where that is not nil.
type order struct {
	Dir  string
	Harm *harm
}

// answer is how that went.
type answer struct {
	Refused string            // why the hub did not start; "" where it did
	Problem string            // what must not be; "" where nothing is
	Found   string            // by what damage was found first; "" where it was not
	Stale   int               // reads of an older value of a key, before the damage was found
	Tables  map[string]string // how each ended: served, healed or refused
}

// child does what it is told, an order a line, until its input ends. Damage may end it.
func child() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var o order
		if err := json.Unmarshal(in.Bytes(), &o); err != nil {
			fmt.Println(err)
			return
		}
		b, _ := json.Marshal(obey(o))
		fmt.Printf("%s\n", b)
	}
}

// watch is one hub that is held to what it should have.
type watch struct {
	dir string
	hub *app.Hub
	known
	out    answer
	harmed bool // while the hub runs
}

func obey(o order) answer {
	w := &watch{dir: o.Dir, out: answer{Tables: map[string]string{}}}
	b, err := os.ReadFile(filepath.Join(o.Dir, "want.json"))
	if err == nil {
		err = json.Unmarshal(b, &w.known)
	}
	if err != nil {
		w.out.Problem = err.Error()
		return w.out
	}
	log, err := os.OpenFile(filepath.Join(o.Dir, "hub.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.out.Problem = err.Error()
		return w.out
	}
	defer log.Close()
	w.life(o.Harm, slog.New(slog.NewTextHandler(log, nil)))
	if o.Harm != nil && w.out.Problem == "" { // and what a restart makes of it
		w.harmed = false
		w.life(nil, slog.New(slog.NewTextHandler(log, nil)))
	}
	return w.out
}

// life opens the hub, looks at everything, and closes it.
func (w *watch) life(h *harm, log *slog.Logger) {
	c := hubConfig(w.dir)
	c.Logger = log
	hub, err := app.Open(ctx, c)
	if err != nil {
		w.out.Refused = err.Error()
		return
	}
	w.hub, w.harmed = hub, h != nil
	if h != nil {
		if err := h.do(w.dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // Badger may have removed what it emptied
			w.bad("cannot do harm: %v", err)
		}
	}
	w.look()
	if err := hub.Close(ctx); err != nil {
		log.Error("close", "err", err) // a quarantined store may have something to say
	}
}

func (w *watch) bad(format string, args ...any) {
	if w.out.Problem == "" {
		w.out.Problem = fmt.Sprintf(format, args...)
	}
}

func (w *watch) found(by string) {
	if w.out.Found == "" {
		w.out.Found = by
	}
}

func (w *watch) look() {
	for _, name := range slices.Sorted(maps.Keys(w.Want)) {
		w.gets(name)
	}
	run, err := w.hub.Backup(ctx)
	var partial *app.RunError
	if err != nil && !errors.As(err, &partial) {
		w.bad("backup: %v", err)
	}
	if err != nil {
		w.found("backup")
	}
	for _, name := range slices.Sorted(maps.Keys(w.Want)) {
		w.table(name)
	}
	w.backedUp(run)
	if w.out.Stale > 0 && w.out.Found == "" {
		w.bad("%d stale values were read, and nothing found it", w.out.Stale)
	}
}

// old says whether a value is an older one of the key, where that may be: Badger checks a
// table when it opens it. What rots later can hide a key's newest value, and so show the
// one before, until a scrub, a backup or a start finds it.
func (w *watch) old(table, key string, value []byte) bool {
	return w.harmed && slices.Contains(w.Past[table][key], string(value))
}

// gets reads all keys. What is there must be right; what is not there must be found out
// by the scan at the latest.
func (w *watch) gets(name string) {
	t, err := w.hub.Table(name)
	if err != nil {
		return // table says what that means
	}
	for key, want := range w.Want[name] {
		r, err := t.Get(ctx, []byte(key))
		switch {
		case err == nil && string(r.Value) != want && w.old(name, key, r.Value):
			w.out.Stale++
		case err == nil && string(r.Value) != want:
			w.bad("table %s: wrong value of %s: %d bytes, not %d", name, key, len(r.Value), len(want))
		case err != nil && !errors.Is(err, app.ErrNotFound) && !refusal(err):
			w.bad("table %s: get %s: an error without a type: %v", name, key, err)
		case err != nil && !errors.Is(err, app.ErrNotFound):
			w.found(how(err))
		}
	}
	for i := range 40 {
		key := fmt.Sprintf("key-%04d", i)
		if _, has := w.Want[name][key]; has {
			continue
		}
		r, err := t.Get(ctx, []byte(key))
		if err == nil && w.old(name, key, r.Value) {
			w.out.Stale++
		} else if err == nil {
			w.bad("table %s: deleted %s is back, with %d bytes", name, key, len(r.Value))
		}
	}
}

// how says where damage showed first.
func how(err error) string {
	if errors.Is(err, app.ErrUnavailable) {
		return "open"
	}
	return "get"
}

// refusal says whether an error is one that a table which cannot be trusted answers with.
func refusal(err error) bool {
	for _, e := range []error{app.ErrUnavailable, app.ErrDamaged, app.ErrLost, app.ErrUnknownTable} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// table waits until the table serves, healed where it must be, and compares all of it.
func (w *watch) table(name string) {
	const patience = 20 * time.Second
	ended := time.NewTimer(patience)
	defer ended.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	state := "served"
	for {
		err := w.scan(name)
		if err == nil {
			break
		}
		if !refusal(err) {
			w.bad("table %s: scan: an error without a type: %v", name, err)
			return
		}
		w.found("scan")
		state = "healed"
		select {
		case <-again.C:
		case <-ended.C:
			w.out.Tables[name] = "refused: " + err.Error()
			return
		}
	}
	if _, err := w.hub.Scrub(ctx, name); err != nil {
		w.bad("table %s: scrub after a scan that was right: %v", name, err)
	}
	if old := w.out.Tables[name]; old != "healed" {
		w.out.Tables[name] = state
	}
	t, err := w.hub.Table(name)
	if err == nil {
		_, err = t.Put(ctx, []byte(after), []byte("v"))
	}
	if err == nil {
		_, err = t.Delete(ctx, []byte(after))
	}
	if err != nil && !refusal(err) {
		w.bad("table %s: put: %v", name, err)
	}
}

// scan reads the whole table. Without an error it is complete and right.
func (w *watch) scan(name string) error {
	t, err := w.hub.Table(name)
	if err != nil {
		return err
	}
	n, want, wrong := 0, w.Want[name], []string(nil)
	for r, err := range t.Scan(ctx, app.Range{}) {
		if err != nil {
			return err
		}
		if string(r.Key) == after {
			continue
		}
		n++
		if v, has := want[string(r.Key)]; !has || v != string(r.Value) {
			if wrong = append(wrong, string(r.Key)); !w.old(name, string(r.Key), r.Value) {
				w.bad("table %s: scan has a wrong %s", name, r.Key)
			}
		}
	}
	if len(wrong) > 0 {
		w.bad("table %s: a scan ends well with old values of %v", name, wrong)
	}
	if n != len(want) {
		w.bad("table %s: a scan ends well with %d records of %d", name, n, len(want))
	}
	return nil
}

// backedUp compares the snapshots of a run, where it calls them good, with what the
// tables should have.
func (w *watch) backedUp(run app.Run) {
	v, err := vault.OpenReadOnly(disk.OS, filepath.Join(w.dir, "vault"))
	if err != nil {
		w.bad("vault: %v", err)
		return
	}
	for _, res := range run.Results {
		_, ours := w.Want[res.Table]
		if res.Status != vault.StatusOK || !ours {
			continue
		}
		dir := filepath.Join(w.dir, "restored", res.Table+run.ID)
		if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
			w.bad("%v", err)
		}
		if _, err := v.BuildStore(ctx, res.Table, res.Snapshot, dir, nil); err != nil {
			w.bad("backup of table %s is called good and does not restore: %v", res.Table, err)
			continue
		}
		w.restored(dir, res.Table)
	}
}

// restored compares a restored store with what the table should have.
func (w *watch) restored(dir, name string) {
	got, err := contentOf(dir, name)
	if delete(got, after); err != nil || !maps.Equal(got, w.Want[name]) {
		w.bad("backup of table %s is called good and holds something else: %d records: %v", name, len(got), err)
	}
}

// after is a key that is written, and deleted again, once a table serves.
const after = "after"

// contentOf is what a store holds.
func contentOf(dir, table string) (map[string]string, error) {
	s, err := storage.Open(dir, table, storage.Options{Logger: slog.New(slog.DiscardHandler), MinFree: -1})
	if err != nil {
		return nil, err
	}
	l, err := s.Lease()
	if err != nil {
		return nil, errors.Join(err, s.Close(ctx))
	}
	got := map[string]string{}
	for r, e := range l.Scan(storage.Range{}) {
		if e != nil {
			err = e
			break
		}
		got[string(r.Key)] = string(r.Value)
	}
	l.Release()
	return got, errors.Join(err, s.Close(ctx))
}
