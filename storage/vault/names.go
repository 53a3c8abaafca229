package vault

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/brockdb/brock/storage"
)

// Names in the vault.
const (
	markerName   = "brock.json"
	lockName     = "brock.lock"
	manifestName = "manifest.json"
	runsName     = "runs"
	tablesName   = "tables"
	snapsName    = "snapshots"
	poolName     = "pool"
	proofsName   = "proofs"
	removalsName = "removals"
	logName      = "log"
)

// Latest stands for a table's newest complete snapshot.
const Latest = "latest"

// utcLayout sorts by time and is legal on Windows.
const utcLayout = "2006-01-02T15-04-05.000Z"

var runID = regexp.MustCompile(`^[0-9a-z]{8,32}$`)

// NewRunID makes a run's id: 12 of 0-9 a-v, the first six from the time (seconds,
// so that ids of different seconds sort), the rest random.
func NewRunID(now time.Time) string {
	const half = 1<<30 - 1
	n := uint64(now.Unix())&half<<30 | random64()&half
	id := strconv.FormatUint(n, 32)
	return strings.Repeat("0", 12-len(id)) + id
}

func random64() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process first
	return binary.BigEndian.Uint64(b[:])
}

func checkRunID(id string) error {
	if runID.MatchString(id) {
		return nil
	}
	return fmt.Errorf("run id %.80q: %w: use 8 to 32 of 0-9 a-z", id, storage.ErrInvalid)
}

// stamp is a parsed <UTC>_<run>.
type stamp struct {
	at  time.Time
	run string
}

// String is the name that sorts by time.
func (s stamp) String() string { return s.at.UTC().Format(utcLayout) + "_" + s.run }

func parseStamp(name string) (stamp, bool) {
	utc, run, found := strings.Cut(name, "_")
	at, err := time.Parse(utcLayout, utc)
	s := stamp{at, run}
	return s, found && err == nil && at.UnixMilli() >= 0 && runID.MatchString(run) && s.String() == name // before 1970 there are no versions
}

// SnapshotName returns the name of the snapshots that a run makes at its cut.
func SnapshotName(cut storage.Version, run string) string { return stamp{cut.Time(), run}.String() }

// top is the highest version in the stamp's millisecond.
func (s stamp) top() storage.Version { return storage.VersionAt(s.at.Add(time.Millisecond)) - 1 }

// path returns a complete name inside the vault.
func (v *Vault) path(elem ...string) string {
	return filepath.Join(append([]string{v.dir}, elem...)...)
}

func (v *Vault) snapsDir(table string) string { return v.path(tablesName, table, snapsName) }

func (v *Vault) snapDir(table, name string) string {
	return v.path(tablesName, table, snapsName, name)
}

// relative returns a name as reports show it: inside the vault, with slashes.
func (v *Vault) relative(path string) string {
	rel, err := filepath.Rel(v.dir, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return filepath.ToSlash(rel)
}

// newestFirst orders snapshots of one table by their cuts.
func newestFirst(a, b Snapshot) int {
	return cmp.Or(cmp.Compare(b.Cut, a.Cut), cmp.Compare(b.Name, a.Name))
}
