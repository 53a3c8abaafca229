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
	Files    []FileInfo      `json:"files"` // in key order
}

// KindFrames is the [FileInfo.Kind] of frames files, the only one so far.
const KindFrames = "frames"

// FileInfo is one file of a snapshot.
type FileInfo struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"`
	Records uint64 `json:"records"`
}

// bytes is the size of the snapshot's files, the manifest left out.
func (m *Manifest) bytes() (sum int64) {
	for _, f := range m.Files {
		sum += f.Size
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
	return m.filesProblem()
}

func (m *Manifest) filesProblem() string {
	left := m.Ledger.Records
	for i, f := range m.Files {
		switch {
		case !safeName.MatchString(f.Name) || f.Size < 0 || f.Size > 1<<50 || !isHash(f.SHA256):
			return fmt.Sprintf("manifest's file %d makes no sense", i+1)
		case f.Kind != KindFrames:
			return fmt.Sprintf("file %s is of kind %.40q, which this brock does not know", f.Name, f.Kind)
		case f.Name != partName(i+1):
			return fmt.Sprintf("manifest's file %d is %s, expected %s", i+1, f.Name, partName(i+1))
		case f.Records > left:
			return "manifest's files have more records than its ledger"
		}
		left -= f.Records
	}
	if left > 0 || len(m.Files) == 0 {
		return "manifest's files have fewer records than its ledger"
	}
	return ""
}

// readManifest reads and checks the manifest of a snapshot under a final name.
func (v *Vault) readManifest(table, name string) (m Manifest, sum string, err error) {
	file := v.path(tablesName, table, snapsName, name, manifestName)
	sum, err = readSealed(v.fs, file, manifestFormat, &m)
	if isMissing(err) {
		err = &storage.DamageError{File: file, Problem: "is missing", Err: err}
	}
	if err == nil {
		problem := m.problem(table, name)
		if problem == "" && v.mark.Vault != "" && m.Vault != v.mark.Vault {
			problem = fmt.Sprintf("manifest is of another vault, %.40q", m.Vault)
		}
		if problem != "" {
			err = &storage.DamageError{File: file, Problem: problem}
		}
	}
	return m, sum, inTable(err, table)
}
