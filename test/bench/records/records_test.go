package records

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecordsAreWhatTheyAreSaidToBe(t *testing.T) {
	const n = 5_000
	sum, keys := 0, map[string]bool{}
	for i := range n {
		v := Value(i, 0)
		require.True(t, json.Valid(v), "%s", v)
		require.GreaterOrEqual(t, len(v), 100)
		require.LessOrEqual(t, len(v), 1024)
		require.Equal(t, v, Value(i, 0))
		require.NotEqual(t, v, Value(i, 1))
		sum += len(Key(i)) + len(v)
		keys[string(Key(i))] = true
	}
	require.Len(t, keys, n)
	require.InDelta(t, MeanBytes, sum/n, 15)
	require.Len(t, Changes(n, 0.01, 1), n/100)
	require.NotEqual(t, Changes(n, 0.01, 1), Changes(n, 0.01, 2))
}
