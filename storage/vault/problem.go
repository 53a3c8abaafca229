package vault

import (
	"errors"

	"github.com/brockdb/brock/storage"
)

// inTable writes the table into a damage that does not name one.
func inTable(err error, table string) error {
	var d *storage.DamageError
	if errors.As(err, &d) && d.Table == "" {
		d.Table = table
	}
	return err
}

// problem turns an error into a report's line.
func (v *Vault) problem(table, snapshot, file string, err error) Problem {
	p := Problem{Table: table, Snapshot: snapshot, File: v.relative(file), Problem: err.Error(), Cause: storage.Named(err)}
	var d *storage.DamageError
	if errors.As(err, &d) {
		p.Offset, p.Problem = d.Offset, d.Problem
		if d.File != "" {
			p.File = v.relative(d.File)
		}
		if d.Err != nil {
			p.Problem += ": " + d.Err.Error()
		}
	}
	return p
}
