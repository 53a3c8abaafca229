package vault

import (
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/stretchr/testify/require"
)

func TestVerifyAndDrillTellHowFarTheyAre(t *testing.T) {
	v := newTestVault(t)
	backup(t, v, 0, records(500), "t", "u")
	backup(t, v, 1, records(600), "t")
	type told struct {
		stage, table string
		done, total  int64
	}
	var got []told
	v.progress = func(stage, table string, done, total int64) { got = append(got, told{stage, table, done, total}) }
	one, two := int64(ledgerOf(t, records(500)).Bytes), int64(ledgerOf(t, records(600)).Bytes)

	_, err := v.Verify(t.Context())
	require.NoError(t, err)
	require.Equal(t, []told{{"verify", "t", one + two, one + two}, {"verify", "u", one, one}}, got)
	got = nil
	_, _, err = v.DrillTables(t.Context(), t.TempDir(), "t")
	require.NoError(t, err)
	require.Equal(t, []told{{"drill", "t", two, two}}, got)

	big := strings.Repeat("x", frameTarget)
	backup(t, v, 2, []storage.Entry{entry("a", big, 1, time.Time{}), entry("b", big, 2, time.Time{})}, "v")
	got = nil
	_, err = v.Verify(t.Context(), "v")
	require.NoError(t, err)
	n := int64(frameTarget + 1)
	require.Equal(t, []told{{"verify", "v", n, 2 * n}, {"verify", "v", 2 * n, 2 * n}, {"verify", "v", 2 * n, 2 * n}}, got)
}
