package app

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a body holds, the table of the path is the only one that is asked for.
func FuzzBodiesWithATable(f *testing.F) {
	for _, body := range []string{"", "null", "{}", `{"snapshot":"latest"}`, `{"tables":["b"]}`, `{"Tables":["b"],"ALL":true}`, `{"tables":null,"all":true}`, `[]`, `{"x":{"tables":["b"]}}`, "{"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequest("POST", "/", nil)
		r.SetPathValue("table", "a")
		out, err := pathTable(r, body)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		var req RestoreRequest
		if json.Unmarshal(out, &req) == nil {
			require.Equal(t, []string{"a"}, req.Tables)
			require.False(t, req.All)
		}
		require.LessOrEqual(t, len(namedTables(body)), maxNamed)
	})
}

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
