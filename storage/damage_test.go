package storage

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFlippedBitsAreFound flips bits in table files and value logs of a store. What
// it then reads is what was written or a typed error, never a wrong value, and a
// scan of the whole table never ends well with records missing.
func TestFlippedBitsAreFound(t *testing.T) {
	s := newStore(t)
	for i := range 300 {
		value := bytes.Repeat(fmt.Append(nil, i), 100)
		if i%100 == 0 {
			value = bytes.Repeat(fmt.Append(nil, i), largeValue) // in the value log
		}
		require.NoError(t, s.commit(Batch{{Key: fmt.Appendf(nil, "key-%04d", i), Value: value}}))
	}
	want := s.Ledger()
	require.NoError(t, s.Close(context.Background()))
	files, err := filepath.Glob(filepath.Join(s.Dir(), "*.sst"))
	require.NoError(t, err)
	logs, err := filepath.Glob(filepath.Join(s.Dir(), "*.vlog"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	require.NotEmpty(t, logs)
	rng := rand.New(rand.NewPCG(5, 6))
	found := 0
	for range 40 {
		for _, path := range append(files[:1:1], logs[0]) {
			if flipAndRead(t, s, path, rng, want) {
				found++
			}
		}
	}
	require.Greater(t, found, 60, "most bits matter")
}

// flipAndRead flips one bit, reads everything, puts the bit back, and says whether
// the damage was found.
func flipAndRead(t *testing.T, s *testStore, path string, rng *rand.Rand, want Ledger) bool {
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	used := len(bytes.TrimRight(whole, "\x00"))
	at := 20 + rng.IntN(used-20) // a value log's first 20 bytes are its header
	mutated := bytes.Clone(whole)
	mutated[at] ^= 1 << rng.IntN(8)
	require.NoError(t, os.WriteFile(path, mutated, 0o600))
	defer func() { require.NoError(t, os.WriteFile(path, whole, 0o600)) }()

	again, err := Open(s.Dir(), "things", s.options())
	if err != nil {
		require.ErrorIs(t, err, ErrDamaged, "%s byte %d", path, at)
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = again.Prove(ctx, want)
	if err != nil {
		require.ErrorIs(t, err, ErrDamaged, "%s byte %d", path, at)
	}
	for i := range 300 {
		r, gerr := again.Get(fmt.Appendf(nil, "key-%04d", i))
		if gerr != nil {
			require.ErrorIs(t, gerr, ErrDamaged, "%s byte %d", path, at)
			continue
		}
		require.True(t, bytes.HasPrefix(r.Value, fmt.Append(nil, i)), "%s byte %d: a wrong value", path, at)
	}
	require.NoError(t, again.Close(ctx))
	return err != nil
}
