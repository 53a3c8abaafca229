package rot

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryBit flips every bit of every file of a small vault in turn. Verify finds each,
// and names the file.
func TestEveryBit(t *testing.T) {
	tr := smallVault.make(t)
	clean(t, tr)
	flipped, total := map[string]int{}, 0
	for _, name := range tr.names() {
		b := tr.files[name]
		for bit := (*first + int(*seed)) % *stride; bit < 8*len(b); bit += *stride {
			b[bit/8] ^= 1 << (bit % 8)
			ps, err := found(tr)
			require.NoError(t, err, "%s bit %d", name, bit)
			require.True(t, names(ps, name), "bit %d of %s is not found: %v", bit, name, ps)
			b[bit/8] ^= 1 << (bit % 8)
			flipped[kind(name)]++
			total++
		}
	}
	clean(t, tr)
	for _, k := range []string{"brock.json", "manifest.json", "frames", "sst", "vlog", "tail", "run record", "proof", "removal", "change log"} {
		require.Positive(t, flipped[k], k)
	}
	t.Logf("seed %d, every %d. bit: %d bits of %d files flipped, all found by verify, which named the file: %v", *seed, *stride, total, len(tr.files), flipped)
}
