package rot

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSampled makes up mutations of a large vault: bits flipped, files cut, zeroed,
// exchanged, overwritten with others, doubled and removed. Verify finds each, and names
// what is hurt.
func TestSampled(t *testing.T) {
	tr := largeVault.make(t)
	clean(t, tr)
	done := map[string]int{}
	var missed []string
	for i := *first; i < *first+*sampled; i++ {
		m := mutate(tr, i)
		ps, err := found(tr)
		ok := err == nil
		for _, name := range m.hurt {
			ok = ok && names(ps, name)
		}
		one := len(m.any) == 0
		for _, name := range m.any {
			one = one || names(ps, name)
		}
		if !ok || !one {
			missed = append(missed, m.what+" "+m.file+" "+m.text)
			t.Errorf("mutation %d of seed %d: %s %s %s is not found by verify, or not by its name: %v %v", i, *seed, m.what, m.file, m.text, err, ps)
		}
		m.undo()
		done[m.what+" "+kind(m.file)]++
	}
	clean(t, tr)
	require.Empty(t, missed)
	t.Logf("seed %d, from %d: %d mutations, all found by verify: %v", *seed, *first, *sampled, done)
}
