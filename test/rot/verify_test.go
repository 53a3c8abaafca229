package rot

import (
	"context"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

var ctx = context.Background()

// found is what a verify of some tables, or of all, finds: problems, and the error of what cannot even be opened.
func found(tr *tree, tables ...string) ([]vault.Problem, error) {
	v, err := vault.OpenReadOnly(tr, tr.root)
	if err != nil {
		return nil, err
	}
	rep, err := v.Verify(ctx, tables...)
	return rep.Problems, err
}

// names says whether one of the problems names the file.
func names(ps []vault.Problem, file string) bool {
	return slices.ContainsFunc(ps, func(p vault.Problem) bool { return p.File == file && p.Problem != "" })
}

// clean asserts that the vault as it is has no problem.
func clean(t *testing.T, tr *tree) {
	t.Helper()
	ps, err := found(tr)
	require.NoError(t, err)
	require.Empty(t, ps)
}

// kind is the kind of a file of the vault, as totals show it.
func kind(name string) string {
	dir, base := path.Split(name)
	switch {
	case name == "log/begin":
		return "log's begin"
	case strings.HasPrefix(dir, "log/"):
		return "change log"
	case strings.HasPrefix(dir, "runs/"):
		return "run record"
	case strings.HasPrefix(dir, "proofs/"):
		return "proof"
	case strings.HasPrefix(dir, "removals/"):
		return "removal"
	case base == "manifest.json", base == "brock.json":
		return base
	}
	return strings.TrimPrefix(path.Ext(base), ".")
}
