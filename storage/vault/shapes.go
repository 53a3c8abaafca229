package vault

import (
	"encoding/json"
	"math"
	"time"

	"github.com/brockdb/brock/storage"
)

// Status is how a piece of work ended, in one word.
type Status string

// Values of [Run.Status].
const (
	StatusComplete Status = "complete"
	StatusPartial  Status = "partial"
	StatusFailed   Status = "failed" // also of [Report.Status]
)

// Values of [Result.Status]; StatusOK also of [Report.Status].
const (
	StatusOK    Status = "ok"
	StatusError Status = "error"
)

// Run is one backup over one or more tables, as every road shows it.
type Run struct {
	ID             string          `json:"run"`
	Hub            string          `json:"hub"`
	Trigger        string          `json:"trigger"` // schedule, api, request, http or cli
	Cut            storage.Version `json:"cut"`     // 0 where none was taken
	CutAt          *time.Time      `json:"cut_at"`
	StartedAt      *time.Time      `json:"started_at"`
	DurationMS     float64         `json:"duration_ms"`
	PauseMS        float64         `json:"pause_ms"` // the longest of its tables'
	Status         Status          `json:"status"`
	TablesTotal    int             `json:"tables_total"`
	TablesSuccess  int             `json:"tables_success"`
	TablesBackedUp []string        `json:"tables_backed_up"`
	TablesFailed   []string        `json:"tables_failed"`
	BackupDir      string          `json:"backup_dir"`
	Bytes          int64           `json:"bytes"`
	Results        []Result        `json:"results"`
	Problem        string          `json:"problem,omitempty"` // of the run as a whole, besides its tables'
}

// Result is one table's outcome in a run.
type Result struct {
	Table      string  `json:"table"`
	Status     Status  `json:"status"`
	Snapshot   string  `json:"snapshot"` // "" unless ok
	Path       string  `json:"path"`
	Size       int64   `json:"size"`     // bytes that a restore reads
	NewSize    int64   `json:"new_size"` // bytes added to the vault
	Records    uint64  `json:"records"`
	DurationMS float64 `json:"duration_ms"`
	PauseMS    float64 `json:"pause_ms"`
	Error      string  `json:"error"`
	Cause      error   `json:"-"` // of Error, for errors.Is
	// ManifestSHA256 goes into the run record. Where an ok result leaves it empty,
	// [Vault.WriteRun] reads it from the snapshot.
	ManifestSHA256 string `json:"-"`
}

// Tally fills in what follows from the results: status, counts, names, bytes and
// the longest pause. A run in which nothing succeeded has failed.
func (r *Run) Tally() {
	r.TablesTotal, r.TablesSuccess, r.Bytes, r.PauseMS = len(r.Results), 0, 0, 0
	r.TablesBackedUp, r.TablesFailed = []string{}, []string{}
	for _, res := range r.Results {
		r.PauseMS = max(r.PauseMS, res.PauseMS)
		if res.Status != StatusOK {
			r.TablesFailed = append(r.TablesFailed, res.Table)
			continue
		}
		r.TablesSuccess++
		r.Bytes += res.Size
		r.TablesBackedUp = append(r.TablesBackedUp, res.Table)
	}
	switch {
	case r.TablesSuccess == 0:
		r.Status = StatusFailed
	case r.TablesSuccess < r.TablesTotal:
		r.Status = StatusPartial
	default:
		r.Status = StatusComplete
	}
}

// Snapshot is one complete snapshot, as lists show it.
type Snapshot struct {
	Table    string          `json:"table"`
	Name     string          `json:"snapshot"`
	Run      string          `json:"run"`
	Cut      storage.Version `json:"cut"`
	CutAt    *time.Time      `json:"cut_at"`
	Records  uint64          `json:"records"`
	Bytes    int64           `json:"bytes"`          // that a restore reads
	NewBytes int64           `json:"new_bytes"`      // that it added to the vault; files and change log are shared
	Base     string          `json:"base,omitempty"` // the snapshot that it goes on from by the change log
	ProvenAt *time.Time      `json:"proven_at"`      // null: no drill passed
	// For callers in the process only.
	Path           string         `json:"-"` // of its folder
	ManifestSHA256 string         `json:"-"`
	Ledger         storage.Ledger `json:"-"`
	// Rotten says that this process has found it damaged; then it is not proven, whatever
	// was proven before.
	Rotten bool `json:"-"`

	baseCut storage.Version
}

// Result is the ok outcome of the backup that made the snapshot.
func (s Snapshot) Result(took, pause time.Duration) Result {
	return Result{Table: s.Table, Status: StatusOK, Snapshot: s.Name, Path: s.Path, Size: s.Bytes, NewSize: s.NewBytes, Records: s.Records,
		DurationMS: Millis(took), PauseMS: Millis(pause), ManifestSHA256: s.ManifestSHA256}
}

// Restorable is a stretch of time at every moment of which a table can be restored
// and looked at. Between two stretches of a table lies a break: of it only the
// snapshots can be.
type Restorable struct {
	Table  string          `json:"table"`
	From   storage.Version `json:"from"` // 0: from the beginning
	FromAt *time.Time      `json:"from_at"`
	To     storage.Version `json:"to"`
	ToAt   *time.Time      `json:"to_at"`
}

// Listing is what a vault holds: the complete snapshots, the stretches of time that
// the change log covers, and apart from them what is damaged.
type Listing struct {
	Snapshots []Snapshot   `json:"snapshots"` // by table, then newest first
	Ranges    []Restorable `json:"ranges"`    // by table, then oldest first
	Problems  []Problem    `json:"problems"`
}

// Report is the outcome of a verify or a drill.
type Report struct {
	Status     Status    `json:"status"`
	Checked    int       `json:"checked"` // snapshots
	Bytes      int64     `json:"bytes"`   // read from the vault
	DurationMS float64   `json:"duration_ms"`
	Problems   []Problem `json:"problems"`
}

// Problem is one thing that is not as it should be.
type Problem struct {
	Table    string `json:"table"`
	Snapshot string `json:"snapshot"`
	File     string `json:"file"` // inside the vault, with slashes
	Offset   int64  `json:"offset"`
	Problem  string `json:"problem"`
	Cause    error  `json:"-"` // of Problem, for errors.Is; nil where there is none
}

// Millis returns a duration in milliseconds with at most three decimals, as shapes
// have it.
func Millis(d time.Duration) float64 { return math.Round(float64(d)/1e3) / 1e3 }

// At returns a time as shapes have it: UTC, to the millisecond, nil for the zero time.
func At(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// The shapes without methods, for encoding with [] in place of null.
type (
	runShape     Run
	listingShape Listing
	reportShape  Report
)

func (r Run) shape() runShape {
	r.TablesBackedUp, r.TablesFailed, r.Results = full(r.TablesBackedUp), full(r.TablesFailed), full(r.Results)
	return runShape(r)
}

// full makes a missing list an empty one.
func full[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// MarshalJSON writes empty lists as [].
func (r Run) MarshalJSON() ([]byte, error) { return json.Marshal(r.shape()) }

// MarshalJSON writes empty lists as [].
func (l Listing) MarshalJSON() ([]byte, error) {
	l.Snapshots, l.Ranges, l.Problems = full(l.Snapshots), full(l.Ranges), full(l.Problems)
	return json.Marshal(listingShape(l))
}

// MarshalJSON writes empty lists as [].
func (r Report) MarshalJSON() ([]byte, error) {
	r.Problems = full(r.Problems)
	return json.Marshal(reportShape(r))
}
