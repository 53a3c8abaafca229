package rot

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryBit flips every bit of every file of a small vault in turn. Verify finds each,
// and names the file. As it takes time, bits of a table's files are mostly looked for by a
// verify of the one table.
func TestEveryBit(t *testing.T) {
	tr := vaultFor(t, smallVault)
	clean(t, tr)
	flipped, total := map[string]int{}, 0
	for _, name := range tr.names() {
		b := tr.files[name]
		if !strings.Contains(name, *only) {
			continue
		}
		for bit := (*first + int(*seed)) % min(*stride, max(1, 8*len(b))); bit < 8*len(b); bit += *stride {
			b[bit/8] ^= 1 << (bit % 8)
			var tables []string
			if parts := strings.Split(name, "/"); parts[0] == "tables" && bit%16 > 0 {
				tables = parts[1:2]
			}
			if ps, err := found(tr, tables...); err != nil || !names(ps, name) {
				keep(t, tr)
				t.Errorf("bit %d of %s is not found: %v %v", bit, name, err, ps)
			}
			b[bit/8] ^= 1 << (bit % 8)
			flipped[kind(name)]++
			if total++; total%50_000 == 0 {
				fmt.Printf("rot: %d bits, seed %d\n", total, *seed)
			}
		}
	}
	clean(t, tr)
	for _, k := range []string{"brock.json", "manifest.json", "frames", "sst", "vlog", "tail", "run record", "proof", "removal", "change log", "log's begin"} {
		require.True(t, flipped[k] > 0 || *only != "", k)
	}
	t.Logf("seed %d, every %d. bit: %d bits of %d files flipped, all found by verify, which named the file: %v", *seed, *stride, total, len(tr.files), flipped)
}
