package rot

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brockdb/brock/storage/vault"
	"github.com/stretchr/testify/require"
)

// TestSampled makes up mutations of a large vault: bits flipped, files cut, zeroed,
// exchanged, overwritten with others, doubled and removed. Verify finds each, and names
// what is hurt. From some of them tables are restored: what comes back is what was backed
// up.
func TestSampled(t *testing.T) {
	tr := vaultFor(t, largeVault)
	clean(t, tr)
	s := soundOf(t, tr)
	live, err := vault.OpenReadOnly(tr, tr.root)
	require.NoError(t, err)
	done, ways, untold := map[string]int{}, map[string]int{}, 0
	for i := *first; i < *first+*sampled; i++ {
		m := mutate(tr, i)
		problem := ""
		if told(tr, m) {
			problem = missed(live, tr, m, i)
		} else {
			untold++
		}
		if problem == "" && *restore > 0 && i%*restore == 0 {
			target := s.target(m, rand.New(rand.NewPCG(*seed, uint64(i))))
			dir, err := os.MkdirTemp(t.TempDir(), "")
			require.NoError(t, err)
			var way string
			way, problem = s.restores(dir, tr, m, target)
			ways[way]++
			require.NoError(t, os.RemoveAll(dir))
		}
		m.undo()
		if problem != "" {
			keep(t, tr)
			t.Errorf("mutation %d of seed %d: %s %s %s: %s", i, *seed, m.what, m.file, m.text, problem)
		}
		done[m.what+" "+kind(m.file)]++
		if n := i - *first + 1; n%10_000 == 0 {
			fmt.Printf("rot: %d mutations, seed %d\n", n, *seed)
		}
	}
	clean(t, tr)
	t.Logf("seed %d, from %d: %d mutations of a vault of %d files; verify found %d and named them, %d removals are none that it can tell; restores: %v; %v",
		*seed, *first, *sampled, len(tr.files), *sampled-untold, untold, ways, done)
}

// missed is what verify does not tell of a mutation; "" where it finds it and names it.
func missed(live *vault.Vault, tr *tree, m mutation, index int) string {
	ps, err := found(tr, m.table(index)...)
	if err != nil {
		return err.Error()
	}
	if newest := lastSegment(tr, m); newest != "" { // a vault that was opened before knows how far the log went
		rep, err := live.Verify(ctx)
		if ps = rep.Problems; err != nil {
			return err.Error()
		}
	}
	for _, name := range m.hurt {
		if !names(ps, name) {
			return fmt.Sprintf("verify does not name %s: %v", name, ps)
		}
	}
	if len(m.any) > 0 && !slices.ContainsFunc(m.any, func(name string) bool { return names(ps, name) }) {
		return fmt.Sprintf("verify names none of %v: %v", m.any, ps)
	}
	return ""
}

// table is the one table that a mutation hurts, where it does: as that takes less time,
// three of four are looked for by a verify of just that.
func (m mutation) table(index int) []string {
	var table string
	for _, name := range append(m.hurt, m.any...) {
		parts := strings.Split(name, "/")
		if parts[0] != "tables" || len(parts) < 5 || table != "" && table != parts[1] {
			return nil
		}
		table = parts[1]
	}
	if index%4 == 0 {
		return nil
	}
	return []string{table}
}

// lastSegment is the newest segment of the change log, if it was removed.
func lastSegment(tr *tree, m mutation) string {
	if left := tr.below("log"); m.what == "remove" && kind(m.file) == "change log" && m.file > slices.Max(left) {
		return m.file
	}
	return ""
}

// told says whether a mutation is one that verify can tell: storage/FORMAT.md has those
// that look like something else that may be.
func told(tr *tree, m mutation) bool {
	switch {
	case m.what != "remove":
		return true
	case kind(m.file) == "proof":
		return false
	case kind(m.file) == "run record":
		return m.file < slices.Max(tr.below("runs"))
	}
	return true
}

// vaultFor makes a vault, or loads the one of the flag.
func vaultFor(t *testing.T, r recipe) *tree {
	if *kept != "" {
		return load(t, *kept)
	}
	return r.make(t)
}

// keep keeps the vault, whose names hold times and chance, so that a mutation can be made
// again.
func keep(t *testing.T, tr *tree) {
	if *kept != "" {
		return
	}
	dir, err := os.MkdirTemp("", "brock-rot-")
	require.NoError(t, err)
	for name, b := range tr.files {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, b, 0o600))
	}
	*kept = dir
	t.Logf("the vault is kept: make the mutation again with -vault %s -seed %d -first INDEX", dir, *seed)
}
