package vault

import (
	"fmt"
	"regexp"
	"time"

	"github.com/brockdb/brock/storage"
)

const manifestFormat = 1

// Manifest is a snapshot's own account: what it is, what its files are, and the
// table's ledger at the cut. It is a sealed document.
type Manifest struct {
	Format   int             `json:"format"`
	Vault    string          `json:"vault"`
	Hub      string          `json:"hub"`
	Table    string          `json:"table"`
	Snapshot string          `json:"snapshot"`
	Run      string          `json:"run"`
	Cut      storage.Version `json:"cut"`
	CutAt    time.Time       `json:"cut_at"`
	Ledger   storage.Ledger  `json:"ledger"`
	Files    []FileInfo      `json:"files"` // frames in key order, tables in the image's
	// Base, where it is set, is the snapshot that this one is, with the change log
	// from there to the cut; it has no files of its own then.
	Base *Base `json:"base,omitempty"`
	// NewBytes is what the snapshot added to the vault, besides its manifest.
	NewBytes int64 `json:"new_bytes"`
}

// Base names the snapshot that another one goes on from.
type Base struct {
	Snapshot       string          `json:"snapshot"`
	ManifestSHA256 string          `json:"manifest_sha256"`
	Cut            storage.Version `json:"cut"`
	Bytes          int64           `json:"bytes"`     // of its files
	LogBytes       int64           `json:"log_bytes"` // of the segments from its cut to this one's, when it was made
}

// The kinds of files. A snapshot has frames files alone, or a table's files: tables
// and value logs from the pool, and one tail.
const (
	KindFrames   = "frames" // records, in the snapshot's folder
	KindTable    = "sst"    // one of Badger's tables, in the pool
	KindValueLog = "vlog"   // the part of a value log that tables point into, in the pool
	KindTail     = "tail"   // what the tables lack, in the snapshot's folder
)

// FileInfo is one file of a snapshot.
type FileInfo struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"`
	Records uint64 `json:"records"`         // of frames and tail
	Level   int    `json:"level,omitempty"` // of a table
	ID      uint32 `json:"id,omitempty"`    // of a value log
}

// pooled says whether the file lies in the table's pool.
func (f *FileInfo) pooled() bool { return f.Kind == KindTable || f.Kind == KindValueLog }

// physical says whether the snapshot is made of a table's files.
func (m *Manifest) physical() bool {
	return len(m.Files) > 0 && m.Files[len(m.Files)-1].Kind == KindTail
}

// bytes is the size of all that a restore reads, the manifest left out.
func (m *Manifest) bytes() (sum int64) {
	for _, f := range m.Files {
		sum += f.Size
	}
	if m.Base != nil {
		sum += m.Base.Bytes + m.Base.LogBytes
	}
	return sum
}

// partName is the name of a snapshot's n-th frames file.
func partName(n int) string { return fmt.Sprintf("%06d.frames", n) }

var safeName = regexp.MustCompile(`^[0-9a-z][0-9a-z._-]{0,127}$`)

// problem says in words what is wrong with a manifest that stands in the folder of
// the table's snapshot name, "" when nothing is. It trusts no member.
func (m *Manifest) problem(table, name string) string {
	s, ok := parseStamp(m.Snapshot)
	switch {
	case storage.CheckTableName(m.Table) != nil || !ok || m.Cut > storage.MaxVersion:
		return "manifest names no table, snapshot and cut"
	case m.Table != table || m.Snapshot != name:
		return fmt.Sprintf("manifest is of snapshot %s of table %s", m.Snapshot, m.Table)
	case s.run != m.Run || !s.at.Equal(m.Cut.Time()) || !m.CutAt.Equal(s.at):
		return "manifest's run or cut is not the one in the snapshot's name"
	case m.Ledger.Version > m.Cut:
		return "manifest's ledger is newer than its cut"
	}
	if m.Base != nil {
		return m.baseProblem()
	}
	if m.physical() {
		return m.imageProblem()
	}
	return m.framesProblem()
}
