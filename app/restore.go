package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
)

// RestoreRequest says what to restore.
type RestoreRequest struct {
	Tables   []string `json:"tables,omitempty"`
	All      bool     `json:"all,omitempty"`      // every table that the hub serves
	Snapshot string   `json:"snapshot,omitempty"` // a full name, a run id, or latest (the default)
	// At asks for the state at a moment in place of a snapshot: RFC 3339, "10m ago", a
	// version, or "latest", all that the vault holds. All tables are restored to one moment.
	At     string `json:"at,omitempty"`
	To     string `json:"to,omitempty"`      // restore into this data directory, not into the hub
	DryRun bool   `json:"dry_run,omitempty"` // only say what would be restored
}

// Restored is the outcome of a restore. In JSON the fields of a single table also
// stand at the top.
type Restored struct {
	Status  Status          `json:"status"` // restored, partial or failed
	Results []RestoredTable `json:"results"`
}

// MarshalJSON writes the shape.
func (r Restored) MarshalJSON() ([]byte, error) {
	if len(r.Results) == 1 { // whose status is the whole's
		return json.Marshal(struct {
			RestoredTable
			Results []RestoredTable `json:"results"`
		}{r.Results[0], r.Results})
	}
	type plain Restored
	return json.Marshal(plain(r))
}

// RestoredTable is the outcome for one table.
type RestoredTable struct {
	Table        string          `json:"table"`
	Status       Status          `json:"status"` // restored or failed
	Snapshot     string          `json:"snapshot"`
	At           *time.Time      `json:"at"`      // the state that the table has now
	Version      storage.Version `json:"version"` // of that state
	Records      uint64          `json:"records"`
	FileSize     int64           `json:"file_size"`
	LaterCommits uint64          `json:"later_commits"` // that the table had and the snapshot leaves out
	ReplacedDir  string          `json:"replaced_dir"`  // what was replaced, kept; "" where nothing was
	DryRun       bool            `json:"dry_run,omitempty"`
	// Of a dry run: the bytes of the vault that it would read, and how long the last
	// proven restore of the table took (0: none was proven yet).
	ReadBytes int64   `json:"read_bytes,omitempty"`
	LastMS    float64 `json:"last_restore_ms,omitempty"`
	// Of a recovery: which commits were acknowledged and are lost, in words; "" for none.
	Missing string `json:"missing,omitempty"`
	Error   string `json:"error"`

	cause error
}

// StatusRestored is the status of a restore that succeeded.
const StatusRestored Status = "restored"

// Restore takes tables back to a snapshot. Each is built beside the live table,
// proven against the ledger, and swapped in at once; the replaced store is kept.
// While a table is rebuilt it goes on serving, and whatever fails leaves it as it
// was. Other tables never notice. What did not succeed comes with a [*FailedError].
func (h *Hub) Restore(ctx context.Context, req RestoreRequest) (Restored, error) {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return Restored{}, err
	}
	defer done()
	tables, err := h.restoreTables(req)
	if err == nil {
		err = h.checkTo(req.To)
	}
	if err != nil {
		return Restored{}, err
	}
	sources, err := h.sources(ctx, tables, req)
	if err != nil {
		return Restored{}, err
	}
	var out Restored
	for i, name := range tables {
		r := h.restoreOne(ctx, name, req, sources[i])
		if req.To == "" && !req.DryRun {
			if r.Status == StatusRestored {
				h.healer.restored(name)
			}
			h.announceRestore(r, triggerManual)
		}
		out.Results = append(out.Results, r)
	}
	failure := out.sum()
	if req.To != "" && !req.DryRun && out.Status != StatusFailed {
		if err := h.writeRestoredRegistry(req.To, out.Results, h.cfg.Wall.Now()); err != nil {
			return out, err
		}
	}
	return out, failure
}

func (h *Hub) restoreTables(req RestoreRequest) ([]string, error) {
	switch {
	case req.All && len(req.Tables) > 0:
		return nil, fmt.Errorf("%w: name tables or ask for all, not both", ErrInvalid)
	case req.All:
		return h.Tables(), nil
	case len(req.Tables) == 0:
		return nil, fmt.Errorf("%w: name the tables to restore, or ask for all", ErrInvalid)
	}
	for i, name := range req.Tables {
		if _, err := h.group.Table(name); err != nil {
			return nil, err
		}
		for _, earlier := range req.Tables[:i] {
			if earlier == name {
				return nil, fmt.Errorf("%w: table %s is named twice", ErrInvalid, name)
			}
		}
	}
	return req.Tables, nil
}

// restoreOne restores one table; a failure is in the result. Whoever asks for the newest
// snapshot gets the newest one that is sound.
func (h *Hub) restoreOne(ctx context.Context, name string, req RestoreRequest, find findSource) RestoredTable {
	out := RestoredTable{Table: name, Status: StatusRestored, DryRun: req.DryRun}
	var failed []error
	for {
		src, err := find(ctx, name)
		if err == nil {
			err = h.restoreFrom(ctx, name, req, src, &out)
		}
		if err == nil {
			return out
		}
		failed = append(failed, err)
		if find = src.older; find == nil || !src.taken.damaged {
			out.cause = errors.Join(failed...)
			out.Status, out.Error = StatusFailed, out.cause.Error()
			return out
		}
		h.log.Warn("the newest snapshot is damaged; an older one is restored", "table", name, "snapshot", src.snapshot, "err", err)
	}
}

// restoreFrom restores one table from a source.
func (h *Hub) restoreFrom(ctx context.Context, name string, req RestoreRequest, src source, out *RestoredTable) (err error) {
	defer src.release()
	at := src.at.Time()
	out.Snapshot, out.At, out.Version, out.Records, out.FileSize = src.snapshot, vault.At(at), src.at, src.ledger.Records, src.bytes
	switch {
	case req.DryRun:
		err = h.dryRun(name, src, out)
	case req.To != "":
		out.FileSize, err = h.restoreTo(ctx, req.To, name, src.at, src.build)
	default:
		if err = h.restoreLive(ctx, name, src.build, out); err == nil {
			h.logRestore(ctx, name)
		}
	}
	out.Snapshot = src.taken.snapshot
	return err
}

func (h *Hub) dryRun(name string, src source, out *RestoredTable) error {
	ref, err := h.group.Table(name)
	if err != nil {
		return err
	}
	if l, err := ref.Lease(); err == nil {
		out.LaterCommits = l.Ledger.Commits - min(src.ledger.Commits, l.Ledger.Commits)
		l.Release()
	}
	out.ReadBytes, out.LastMS = src.bytes, h.vault.LastProof(name)
	return nil
}

func (h *Hub) restoreLive(ctx context.Context, name string, build func(context.Context, string) error, out *RestoredTable) error {
	ref, err := h.group.Table(name)
	if err != nil {
		return err
	}
	done, err := ref.Restore(ctx, out.Version, build)
	if err != nil {
		return err
	}
	out.Records, out.FileSize, out.LaterCommits, out.ReplacedDir = done.Records, done.FileBytes, done.Later, done.ReplacedDir
	return nil
}

// restoreLogged is how long a restore that is done waits for the change log.
const restoreLogged = 10 * time.Second

// logRestore lets the change log know what a restore began from while that is still held.
// Until the log says so, retention may take it for something that nobody needs, and the
// moments behind the restore with it.
func (h *Hub) logRestore(ctx context.Context, name string) {
	if h.shipper == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, restoreLogged)
	defer cancel()
	if _, err := h.shipper.Ship(ctx); err != nil {
		h.log.Warn("a restore is not in the change log yet; it is tried again", "table", name, "err", err)
	}
}

// restoreTo builds the table in another data directory, where it must not exist.
func (h *Hub) restoreTo(ctx context.Context, to, name string, at storage.Version, build func(context.Context, string) error) (int64, error) {
	dir := filepath.Join(to, tablesDir, name)
	if _, err := os.Lstat(dir); err == nil {
		return 0, fmt.Errorf("%w: %s exists already; restore into an empty directory", ErrInvalid, dir)
	}
	d, err := storage.AdoptTableDir(h.fs(), dir, name)
	if err != nil {
		return 0, err
	}
	scratch := d.Scratch()
	if err := build(ctx, scratch); err != nil {
		return 0, errors.Join(err, os.RemoveAll(dir))
	}
	if _, err := d.Stage(scratch); err != nil {
		return 0, err
	}
	if _, err := d.Swap(storage.WhyRestore); err != nil {
		return 0, err
	}
	if err := d.SetElsewhere(at); err != nil {
		return 0, err
	}
	size, _, err := disk.Usage(dir)
	return size, err
}

// writeRestoredRegistry makes the directory one that brock can open.
func (h *Hub) writeRestoredRegistry(to string, results []RestoredTable, now time.Time) error {
	r, _, err := loadRegistry(h.fs(), to, now)
	if err != nil {
		return err
	}
	names := r.Serve
	for _, t := range results {
		if t.Status == StatusRestored && !r.has(t.Table) {
			names = append(names, t.Table)
		}
	}
	r.Serve = names
	r.saw(names, now)
	return writeTwin(h.fs(), filepath.Join(to, tablesFile), r)
}

// sum fills in what follows from the results.
func (r *Restored) sum() error {
	e := &FailedError{What: "restore"}
	for _, t := range r.Results {
		if t.Status != StatusRestored {
			e.add(t.Table+": "+t.Error, t.cause)
		}
	}
	switch len(e.Problems) {
	case 0:
		r.Status = StatusRestored
		return nil
	case len(r.Results):
		r.Status = StatusFailed
	default:
		r.Status = StatusPartial
	}
	e.Status = r.Status
	return e
}

// Who had a table restored.
const (
	triggerManual = "manual"
	triggerAuto   = "auto"
)

func (h *Hub) announceRestore(r RestoredTable, trigger string) {
	detail := struct {
		BackupUsed  string `json:"backup_used"`
		RecordCount uint64 `json:"record_count"`
		Trigger     string `json:"trigger"`
		RestoredTable
	}{r.Snapshot, r.Records, trigger, r}
	if r.Status == StatusRestored {
		h.publish(bus.RecoveryComplete, detail)
	} else {
		h.publish(bus.RecoveryFailed, detail)
	}
}
