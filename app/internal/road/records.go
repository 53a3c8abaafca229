package road

import "fmt"

// TableCount is a table's number of live records.
type TableCount struct {
	Table   string `json:"table"`
	Records uint64 `json:"records"`
	Error   string `json:"error,omitempty"` // why it cannot be counted
}

// LineError says which line of an import is wrong.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns what is wrong with it.
func (e *LineError) Unwrap() error { return e.Err }
