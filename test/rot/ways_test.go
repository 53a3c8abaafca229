package rot

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

// sound is what a vault has while nothing is damaged: of each table its snapshots, newest
// first, with the ledgers that a restore must arrive at.
type sound map[string][]vault.Snapshot

func soundOf(t *testing.T, tr *tree) sound {
	v, err := vault.OpenReadOnly(tr, tr.root)
	require.NoError(t, err)
	l, err := v.List()
	require.NoError(t, err)
	require.Empty(t, l.Problems)
	s := sound{}
	for _, snap := range l.Snapshots {
		s[snap.Table] = append(s[snap.Table], snap)
	}
	return s
}

// restores restores a table of the damaged vault in two ways, as `restore --at` and as
// `restore` do it, and says what is wrong with what comes out. Something sound is always
// left, for a mutation hurts one thing; and as the log goes back to the beginning, it
// leads to every commit, unless it is what is hurt.
//
// target is the snapshot whose commit is restored.
func (s sound) restores(dir string, tr *tree, m mutation, target vault.Snapshot) (way, problem string) {
	v, err := vault.OpenReadOnly(tr, tr.root)
	if err != nil {
		return "", err.Error()
	}
	table := target.Table
	logHurt := slices.ContainsFunc(append(m.hurt, m.any...), func(f string) bool { return strings.HasPrefix(f, "log/") })
	p, err := v.Past(ctx, table, target.Cut)
	if err == nil {
		p, err = v.BuildSound(ctx, p, filepath.Join(dir, "at"), nil)
	}
	switch {
	case err == nil && !same(p.Ledger, target.Ledger):
		return "", fmt.Sprintf("restore --at %d: %v, and not %v", target.Cut, p.Ledger, target.Ledger)
	case err == nil && p.Snapshot == target.Name:
		way = "by its snapshot"
	case err == nil:
		way = "by an older one"
	case !logHurt:
		return "", fmt.Sprintf("restore --at %d: there is a way, but: %v", target.Cut, err)
	case !typed(err):
		return "", fmt.Sprintf("restore --at %d: an error without a type: %v", target.Cut, err)
	default:
		way = "refused"
	}
	l, err := v.List(table)
	if err != nil {
		return "", err.Error()
	}
	for i, snap := range l.Snapshots {
		p, err := v.BuildSound(ctx, vault.PastOf(snap), filepath.Join(dir, fmt.Sprint("newest", i)), nil)
		if err != nil && typed(err) {
			continue
		}
		if err != nil {
			return "", err.Error()
		}
		at := slices.IndexFunc(s[table], func(o vault.Snapshot) bool { return o.Cut == snap.Cut })
		if at < 0 || !same(p.Ledger, s[table][at].Ledger) {
			return "", fmt.Sprintf("restore of %s: %v", snap.Name, p.Ledger)
		}
		if at == 0 {
			return way + ", newest", ""
		}
		return way + ", older", ""
	}
	p, _, err = v.PastOfDamaged(ctx, table, vault.Latest) // as all of them share what is hurt
	if err == nil {
		p, err = v.BuildSound(ctx, p, filepath.Join(dir, "around"), nil)
	}
	if err != nil && typed(err) && logHurt { // the log and a file that all share: exchanged
		return way + ", none", ""
	}
	if err != nil || !slices.ContainsFunc(s[table], func(o vault.Snapshot) bool { return same(p.Ledger, o.Ledger) }) {
		return "", fmt.Sprintf("restore: there is a way around: %v %v", p.Ledger, err)
	}
	return way + ", around all", ""
}

// target is what to restore: the snapshot that the mutation hurts, or any.
func (s sound) target(m mutation, rng *rand.Rand) vault.Snapshot {
	var all []vault.Snapshot
	for _, table := range slices.Sorted(maps.Keys(s)) {
		for _, snap := range s[table] {
			if strings.HasPrefix(m.file, "tables/"+table+"/snapshots/"+snap.Name) {
				return snap
			}
			if !strings.HasPrefix(m.file, "tables/") || strings.HasPrefix(m.file, "tables/"+table+"/") {
				all = append(all, snap)
			}
		}
	}
	return all[rng.IntN(len(all))]
}

func same(a, b storage.Ledger) bool { return a.Version == b.Version && a.Agrees(b) }

// typed says whether an error is one that callers can match.
func typed(err error) bool {
	for _, e := range []error{storage.ErrDamaged, storage.ErrGap, changelog.ErrBehind, vault.ErrNotRestorable, vault.ErrNoSnapshot} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
