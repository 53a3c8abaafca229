package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/vault"
)

// source is what a table is restored from.
type source struct {
	at       storage.Version // the state that it has
	snapshot string          // the newest one in it; "" where there is none
	ledger   storage.Ledger
	bytes    int64 // of the vault's files that are read
	build    func(ctx context.Context, dir string) error
	taken    *taken     // by the build
	older    findSource // the next older one, for who wants the newest that is sound; nil: no other will do
	release  func()
}

// taken is the way that a build took.
type taken struct {
	snapshot string // that it began with: another one where the source's is damaged
	damaged  bool   // no way is sound
}

// findSource finds a table's source.
type findSource func(ctx context.Context, table string) (source, error)

// sources tells, for each table, where it is restored from. A moment is the same one
// for all of them.
func (h *Hub) sources(ctx context.Context, tables []string, req RestoreRequest) ([]findSource, error) {
	find := h.snapshotSource(req.Snapshot)
	if req.At != "" {
		if req.Snapshot != "" {
			return nil, fmt.Errorf("%w: name a snapshot or a moment, not both", ErrInvalid)
		}
		at, behind, err := h.reach(ctx, req.At, tables, h.newest)
		if err == nil && behind != nil { // an earlier state is not what was asked for
			err = fmt.Errorf("restore to %s: %w: the change log could not be brought up to it; %q is all that the vault holds: %w", req.At, ErrUnavailable, Latest, behind)
		}
		if err != nil {
			return nil, err
		}
		find = h.pastSource(at)
	}
	all := make([]findSource, len(tables))
	for i := range all {
		all[i] = find
	}
	return all, nil
}

func (h *Hub) snapshotSource(ref string) findSource {
	if ref == "" {
		ref = vault.Latest
	}
	return h.foundSource(ref, func(table string) (vault.Snapshot, error) { return h.vault.Resolve(table, ref) })
}

// foundSource is the snapshot that find finds for the reference, or the same state by
// another way. Where any snapshot will do, an older one follows it.
func (h *Hub) foundSource(ref string, find func(table string) (vault.Snapshot, error)) findSource {
	return func(ctx context.Context, table string) (source, error) {
		var snap vault.Snapshot
		release, err := h.hold(table, func() (_ string, err error) {
			snap, err = find(table)
			return snap.Name, err
		})
		if errors.Is(err, ErrDamaged) {
			return h.aroundSource(ctx, table, ref, err)
		}
		if err != nil {
			return source{}, err
		}
		src := h.sourceOf(vault.PastOf(snap), snap.Run, release)
		if ref == vault.Latest {
			src.older = h.foundSource(ref, func(table string) (vault.Snapshot, error) { return h.newestBefore(table, snap) })
		}
		return src, nil
	}
}

// aroundSource is what a damaged snapshot held, without it; damage says why it is not used.
func (h *Hub) aroundSource(ctx context.Context, table, ref string, damage error) (source, error) {
	var p vault.Past
	var run string
	release, err := h.hold(table, func() (_ string, err error) {
		p, run, err = h.vault.PastOfDamaged(ctx, table, ref)
		return p.Snapshot, err
	})
	if err != nil {
		return source{}, errors.Join(damage, err)
	}
	h.log.Warn("a snapshot is damaged; what it held is restored by another way", "table", table, "snapshot", p.Snapshot, "err", damage)
	return h.sourceOf(p, run, release), nil
}

// newestBefore is the newest snapshot of the table before another one.
func (h *Hub) newestBefore(table string, s vault.Snapshot) (vault.Snapshot, error) {
	l, err := h.vault.List(table)
	if err != nil {
		return vault.Snapshot{}, err
	}
	for _, o := range l.Snapshots { // newest first
		if o.Cut < s.Cut {
			return o, nil
		}
	}
	return vault.Snapshot{}, fmt.Errorf("table %s: %w before %s", table, ErrNoSnapshot, s.Name)
}

// sourceOf is a past, built in whatever way to it is sound.
func (h *Hub) sourceOf(p vault.Past, run string, release func()) source {
	t := &taken{snapshot: p.Snapshot}
	return source{at: p.At, snapshot: p.Snapshot, ledger: p.Ledger, bytes: p.Bytes, release: release, taken: t,
		build: func(ctx context.Context, dir string) error {
			way, err := h.vault.BuildSound(ctx, p, dir, h.restoreProgress(run, p.Table))
			t.snapshot, t.damaged = way.Snapshot, ctx.Err() == nil && errors.Is(err, ErrDamaged)
			return err
		}}
}

// hold keeps the snapshot that find finds. Where retention is faster there is another one.
func (h *Hub) hold(table string, find func() (snapshot string, err error)) (release func(), err error) {
	for range 10 {
		var name string
		if name, err = find(); err != nil || name == "" {
			return func() {}, err
		}
		if release, err = h.vault.Hold(table, name); !errors.Is(err, vault.ErrNoSnapshot) {
			return release, err
		}
	}
	return nil, err
}

func (h *Hub) pastSource(at storage.Version) findSource {
	return func(ctx context.Context, table string) (source, error) {
		var p vault.Past
		release, err := h.hold(table, func() (_ string, err error) {
			p, err = h.vault.Past(ctx, table, at)
			return p.Snapshot, err
		})
		if err != nil {
			return source{}, err
		}
		return h.sourceOf(p, "", release), nil
	}
}

func (h *Hub) restoreProgress(run, table string) func(done, total int64) {
	return func(done, total int64) {
		h.progress(bus.Progress{Run: run, Table: table, Stage: "restore", Done: done, Total: total})
	}
}

// moment is the version that a person means by a text, and brings the change log up
// to it: what is committed by now can be asked for. The present is what newest says that
// the vault has of all tables.
func (h *Hub) moment(ctx context.Context, text string, tables []string, newest func([]string) (storage.Version, error)) (storage.Version, error) {
	at, _, err := h.reach(ctx, text, tables, newest)
	return at, err
}

// reach is moment; behind says why the version lies before the moment that was asked for.
func (h *Hub) reach(ctx context.Context, text string, tables []string, newest func([]string) (storage.Version, error)) (at storage.Version, behind, err error) {
	now := h.clock.Now()
	if at, err = ParseMoment(text, now.Time()); err != nil {
		return 0, nil, err
	}
	latest := strings.TrimSpace(text) == Latest
	present := latest || at.Time().Equal(now.Time())
	if !present && at > now {
		return 0, nil, fmt.Errorf("%w moment %s: it lies in the future; the hub's clock is at %s", ErrInvalid, text, now.Time().UTC().Format(time.RFC3339Nano))
	}
	if h.shipper != nil && at > h.logged(tables) {
		if _, behind = h.shipper.Ship(ctx); behind != nil {
			h.log.Warn("the change log could not be brought up to now", "tables", tables, "err", behind)
		}
	}
	if !present || latest {
		behind = nil // the vault says whether it has that moment; or all that it has is asked for
	}
	if present {
		through, err := newest(tables)
		if err != nil {
			return 0, nil, err
		}
		if at = min(at, through); at == 0 { // not the table's beginning, which is empty
			return 0, nil, fmt.Errorf("%w moment %s: the vault has no snapshot and no change log of %s", ErrInvalid, text, strings.Join(tables, " or "))
		}
	}
	return at, behind, nil
}

// newest is the latest version at which the vault has all of the tables: as far as the
// change log goes, or, where there is none or it is behind, a snapshot.
func (h *Hub) newest(tables []string) (through storage.Version, err error) {
	list, err := h.vault.List(tables...)
	through = storage.MaxVersion
	for _, t := range tables {
		at := h.logged([]string{t})
		for _, s := range list.Snapshots {
			if s.Table == t {
				at = max(at, s.Cut)
			}
		}
		through = min(through, at)
	}
	return through, err
}

// logged is the version that the change log has all of the tables' commits through.
func (h *Hub) logged(tables []string) (through storage.Version) {
	through = storage.MaxVersion
	for _, t := range tables {
		st, _ := h.vault.Log().Last(t)
		through = min(through, st.Through)
	}
	return through
}

// Latest, as a moment, is all that the vault holds.
const Latest = "latest"

// mostDays is more days than there are versions for; a time that many more lie back from
// wraps around.
const mostDays = 1_000_000

// ParseMoment reads a moment as people write it: RFC 3339, "10m ago" (also d for
// days), a version, or "latest", which is the highest version there is. The error
// matches [ErrInvalid].
func ParseMoment(text string, now time.Time) (Version, error) {
	text = strings.TrimSpace(text)
	if text == Latest {
		return storage.MaxVersion, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil && storage.Version(n) <= storage.MaxVersion {
		return Version(n), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil && t.UnixMilli() > 0 {
		return storage.EndOf(t), nil
	}
	if ago, ok := strings.CutSuffix(text, " ago"); ok {
		days, rest, found := strings.Cut(ago, "d")
		if !found {
			days, rest = "0", ago
		}
		n, err := strconv.Atoi(days)
		d := time.Duration(0)
		if err == nil && rest != "" {
			d, err = time.ParseDuration(strings.TrimSpace(rest))
		}
		if err == nil && n >= 0 && n <= mostDays && d >= 0 {
			return storage.EndOf(now.AddDate(0, 0, -n).Add(-d)), nil
		}
	}
	return 0, fmt.Errorf("%w moment %.60q; write 2026-11-22T21:04:05Z, \"10m ago\", \"2d ago\", a version, or latest", ErrInvalid, text)
}
