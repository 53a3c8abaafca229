package app

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// The audit of an import says which tables were imported into, too.
func TestNamedTables(t *testing.T) {
	many := ""
	for i := range 2 * maxNamed {
		many += fmt.Sprintf(`{"table":"t%02d"}`, i)
	}
	for body, want := range map[string][]string{
		"":                        nil,
		`{"tables":["a","b"]}`:    {"a", "b"},
		`{"table":"a","key":"k"}`: {"a"},
		`{"table":"a","key":"k"}` + "\n" + `{"table":"b","value":{"table":"c"}}` + "\n" + `{"table":"a"}`: {"a", "b"},
		`{"table":"../x"}` + "\n" + `{"table":"b"}`:                                                       {"b"},
		`{"table":"a"}` + "\nno JSON":                                                                     {"a"},
	} {
		require.Equal(t, want, namedTables([]byte(body)), body)
	}
	require.Len(t, namedTables([]byte(many)), maxNamed)
}
