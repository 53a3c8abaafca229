package bus

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var instant = time.Date(2026, 11, 22, 21, 4, 5, 123e6, time.UTC)

func TestEventIsOneFlatObject(t *testing.T) {
	e, err := NewEvent(BackupFailed, "alpha", instant, struct {
		Run   string `json:"run"`
		Error string `json:"error"`
		Cut   uint64 `json:"cut"`
	}{"r1", "a<b & c>d", 1<<53 + 1})
	require.NoError(t, err)
	data, err := encodeJSON(e)
	require.NoError(t, err)
	want := fmt.Sprintf(`{"type":"backup_failed","id":%q,"hub":"alpha","timestamp":1795381445123,`+
		`"run":"r1","error":"a<b & c>d","cut":9007199254740993}`, e.ID)
	require.Equal(t, want, string(data))

	var back Event
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, e, back)
	require.Equal(t, instant, back.Time())
}

func TestEventDetailMustNotShadow(t *testing.T) {
	_, err := NewEvent(BackupComplete, "alpha", instant, map[string]any{"hub": "beta"})
	require.ErrorIs(t, err, ErrBadEvent)
	_, err = json.Marshal(Event{Type: BackupComplete, ID: "x", Hub: "alpha", Detail: json.RawMessage(`{"id":"y"}`)})
	require.ErrorIs(t, err, ErrBadEvent)
}

// A run carries its hub as the envelope does.
func TestEventDetailMayRepeatTheEnvelope(t *testing.T) {
	type run struct {
		Run string `json:"run"`
		Hub string `json:"hub"`
	}
	e, err := NewEvent(BackupComplete, "alpha", instant, run{"r1", "alpha"})
	require.NoError(t, err)
	require.JSONEq(t, `{"run":"r1"}`, string(e.Detail))
	var back run
	require.NoError(t, e.Decode(&back))
	require.Equal(t, run{"r1", "alpha"}, back)
}

func TestEventRefusesWhatIsNotOne(t *testing.T) {
	for _, detail := range []any{[]int{1}, 7, "text", json.RawMessage(`{"a":1,"a":2}`), json.RawMessage(`{"a":`)} {
		_, err := NewEvent(BackupComplete, "alpha", instant, detail)
		require.ErrorIs(t, err, ErrBadEvent, "%v", detail)
	}
	_, err := NewEvent("no_such_type", "alpha", instant, nil)
	require.ErrorIs(t, err, ErrBadEvent)
	_, err = NewEvent(BackupComplete, "No Hub", instant, nil)
	require.ErrorIs(t, err, ErrBadEvent)
	for _, text := range []string{`{}`, `[]`, `{"type":"x","hub":"h"}`, `{"type":"x","id":"i","hub":"h"} tail`, `{"type":7}`} {
		var e Event
		require.Error(t, json.Unmarshal([]byte(text), &e), text)
	}
}

func TestEventWithoutDetail(t *testing.T) {
	for _, detail := range []any{nil, struct{}{}, (*numbered)(nil), json.RawMessage(nil)} {
		e, err := NewEvent(BackupStale, "alpha", instant, detail)
		require.NoError(t, err, "%#v", detail)
		require.Nil(t, e.Detail)
		_, err = json.Marshal(e)
		require.NoError(t, err)
	}
}

func TestEventIDsSortByTime(t *testing.T) {
	var source idSource
	var ids []string
	for i := range 1000 {
		ids = append(ids, source.next(instant.Add(time.Duration(i/100)*time.Millisecond)))
	}
	ids = append(ids, source.next(instant.Add(-time.Hour))) // a clock that steps back
	require.True(t, slices.IsSorted(ids))
	require.Len(t, slices.Compact(ids), 1001)
	at, ok := idTime(ids[0])
	require.True(t, ok)
	require.True(t, at.Equal(instant))
	_, ok = idTime("someone-else's")
	require.False(t, ok)
}

func TestProgressShape(t *testing.T) {
	data, err := encodeJSON(Progress{Run: "r", Table: "t", Stage: "copy", Done: 1, Total: 2})
	require.NoError(t, err)
	require.Equal(t, `{"run":"r","table":"t","stage":"copy","done":1,"total":2}`, string(data))
}
