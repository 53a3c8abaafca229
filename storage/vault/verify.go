package vault

import (
	"cmp"
	"context"
	"errors"
	"io"
	"path"
	"slices"

	"github.com/brockdb/brock/storage"
)

// Verify reads every byte of the named tables' snapshots (of all, where none is
// named) and compares: records, frames and files with their checksums and the
// manifest, the whole with the ledger, manifests with the run records, and run
// records with what is there. It also reads all records of proofs and removals,
// and reports what it does not know. It writes nothing.
//
// A snapshot that a run record names must be there, unless retention recorded its
// removal. A snapshot that no run record names is complete all the same: a crash
// came between the two. What a live backup or retention does meanwhile, in this or
// another process, is no problem.
//
// A named table that the vault knows nothing of is a [NoSnapshotError]; otherwise
// the error is ctx's, or says that the vault cannot be used.
func (v *Vault) Verify(ctx context.Context, tables ...string) (Report, error) {
	began := v.now()
	c := &verifier{v: v, ctx: ctx, all: len(tables) == 0, hashes: map[string]string{}, pool: map[string]error{}}
	err := c.run(tables)
	v.finish(&c.rep, began)
	c.rep.Problems = full(c.rep.Problems)
	return c.rep, err
}

type verifier struct {
	v       *Vault
	ctx     context.Context
	all     bool
	rep     Report
	records []manifestRef     // of all sound run records
	logged  storage.Version   // where the change log ended, by the run records
	hashes  map[string]string // manifest hash by table/snapshot, as recorded
	pool    map[string]error  // of the pool's files that were read, by table/name
	far     *verifyProgress   // of the table that is read; nil: nobody asks
}

func (c *verifier) run(tables []string) error {
	// Run records first: whatever they name was there before they were written.
	if err := c.readRuns(); err != nil {
		return err
	}
	chosen, err := c.v.choose(tables)
	if err != nil {
		return err
	}
	if c.all {
		c.layout()
	}
	c.log() // a snapshot may need it, whatever table it is of
	for _, table := range chosen {
		if !c.all {
			if known, err := c.known(table); err != nil || !known {
				return cmp.Or(err, error(&NoSnapshotError{Table: table, Ref: Latest}))
			}
		}
		if err := c.table(table); err != nil {
			return err
		}
	}
	c.missing(chosen)
	if chosen, err = c.documented(chosen); err != nil {
		return err
	}
	for _, table := range chosen {
		c.documents(table)
	}
	return c.ctx.Err()
}

// report adds a problem.
func (c *verifier) report(table, snapshot, file string, err error) {
	c.v.noteRot(table, snapshot, err)
	c.rep.Problems = append(c.rep.Problems, c.v.problem(table, snapshot, file, err))
}

// known says whether the vault has or had anything of the table.
func (c *verifier) known(table string) (bool, error) {
	tables, err := c.v.folders(tablesName)
	removals, err2 := c.v.folders(removalsName)
	return slices.Contains(tables, table) || slices.Contains(removals, table) ||
		slices.ContainsFunc(c.records, func(m manifestRef) bool { return m.Table == table }), errors.Join(err, err2)
}

// table verifies all of a table's snapshots.
func (c *verifier) table(table string) error {
	c.tableLayout(table)
	names, err := c.v.snapNames(table)
	if err != nil {
		return err
	}
	c.far = c.v.verifyProgress(table, names)
	for _, name := range names {
		before := len(c.rep.Problems)
		c.snapshot(table, name.String())
		if err := c.ctx.Err(); err != nil {
			c.rep.Problems = c.rep.Problems[:before]
			return err
		}
		if c.v.gone(table, name.String()) { // missing tells whether it may be
			c.rep.Problems = c.rep.Problems[:before]
			continue
		}
		c.rep.Checked++
	}
	c.strays(table)
	c.far.end()
	return c.ctx.Err()
}

// snapshot verifies one snapshot, which is held meanwhile.
func (c *verifier) snapshot(table, name string) {
	release, err := c.v.Hold(table, name)
	if err != nil {
		return // retention is removing it
	}
	defer release()
	dir := c.v.snapDir(table, name)
	m, sum, err := c.v.readManifest(table, name)
	if err != nil {
		c.report(table, name, dir, err)
		c.loose(table, name)
		return
	}
	if want, ok := c.hashes[path.Join(table, name)]; ok && want != sum {
		c.report(table, name, dir, &storage.DamageError{File: c.v.path(tablesName, table, snapsName, name, manifestName),
			Problem: "manifest is not the one in the run record"})
	}
	c.strangers(dir, table, name, func(file string, _ bool) bool {
		return file == manifestName || slices.ContainsFunc(m.Files, func(f FileInfo) bool { return f.Name == file && !f.pooled() })
	})
	switch {
	case m.Base != nil:
		c.chain(&m)
	case m.physical():
		c.files(&m)
	default:
		c.data(&m)
	}
}

// chain looks at what a snapshot goes on from; its base and the change log are
// read for themselves.
func (c *verifier) chain(m *Manifest) {
	_, release, err := c.v.baseOf(newLooks(), m)
	if err != nil {
		c.report(m.Table, m.Snapshot, c.v.snapDir(m.Table, m.Snapshot), err)
		return
	}
	release()
}

// files reads a snapshot's files; those that snapshots share only once.
func (c *verifier) files(m *Manifest) {
	for i := range m.Files {
		f := &m.Files[i]
		var n int64
		var err error
		if key := m.Table + "/" + f.Name; !f.pooled() {
			var keys ascending
			n, err = c.v.readPart(c.ctx, m, i, &keys, func(storage.Entry, *storage.Record, storage.Hash) error { return nil })
		} else if again, ok := c.pool[key]; ok {
			err = again
		} else {
			n, err = c.v.readPlain(c.ctx, m, f, io.Discard)
			c.pool[key] = err
		}
		c.rep.Bytes += n
		c.far.add(int(n))
		if c.ctx.Err() != nil {
			return
		}
		if err != nil {
			c.report(m.Table, m.Snapshot, c.v.snapDir(m.Table, m.Snapshot), err)
		}
	}
}

// log reads all of the change log.
func (c *verifier) log() {
	_, n, problems := c.v.changes.Verify(c.ctx, c.logged)
	c.rep.Bytes += n
	for _, p := range problems {
		c.rep.Problems = append(c.rep.Problems, Problem{Table: p.Table, File: path.Join(logName, p.File), Offset: p.Offset, Problem: p.Problem})
	}
}

// data reads all of a snapshot's files; damage in one hides none in the next.
func (c *verifier) data(m *Manifest) {
	var keys ascending
	var total storage.Ledger
	sound := true
	for i := range m.Files {
		n, err := c.v.readPart(c.ctx, m, i, &keys, func(_ storage.Entry, r *storage.Record, h storage.Hash) error {
			total.Add(r, h)
			c.far.add(len(r.Key) + len(r.Value))
			return nil
		})
		c.rep.Bytes += n
		if err != nil {
			sound = false
			c.report(m.Table, m.Snapshot, c.v.snapDir(m.Table, m.Snapshot), err)
		}
		if c.ctx.Err() != nil {
			return
		}
	}
	if sound && !m.Ledger.Agrees(total) {
		c.report(m.Table, m.Snapshot, c.v.snapDir(m.Table, m.Snapshot), errors.New(m.Ledger.Differs(total)))
	}
}
