package app

import (
	"encoding/json"
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
