package vault

import (
	"context"
	"fmt"
	"slices"

	"github.com/brockdb/brock/storage"
)

// PastFrom is [Vault.Past] by way of some snapshots only: those that may be used. It is
// for whoever has to do without one that is damaged, or would rather have a proven one.
//
// Where the log does not lead from there to the version, the error comes with a past of
// how far it does lead, which can be built: its At and Ledger say what that is. Where it
// leads nowhere, the past has no Table.
func (v *Vault) PastFrom(ctx context.Context, table string, at storage.Version, may func(Snapshot) bool) (Past, error) {
	snaps, _, err := v.listTable(table)
	if err != nil {
		return Past{}, err
	}
	return v.past(ctx, slices.DeleteFunc(snaps, func(s Snapshot) bool { return !may(s) }), table, at)
}

// Check says why the vault cannot be used now, nil where it can: whether its folder is
// there, mounted and readable, and still this vault.
func (v *Vault) Check() error {
	m, ok, err := readMarker(v.fs, v.dir)
	switch {
	case err != nil:
		return err
	case !ok:
		return cannotUse(v.dir, fmt.Errorf("%w: %s is not there", ErrNotVault, markerName))
	case m.Vault != v.mark.Vault:
		return cannotUse(v.dir, fmt.Errorf("%w: it is vault %s, and was %s", ErrNotVault, m.Vault, v.mark.Vault))
	}
	return nil
}
