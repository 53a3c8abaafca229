package vault

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

const proofFormat = 1

// Proof says that a drill restored a snapshot and found the table's ledger. It
// counts only while the snapshot's manifest has the hash that is in it.
type Proof struct {
	Format         int            `json:"format"`
	ID             string         `json:"id,omitempty"` // its own, as its file's name has it; the first proofs had none
	Table          string         `json:"table"`
	Snapshot       string         `json:"snapshot"`
	Run            string         `json:"run"`
	ManifestSHA256 string         `json:"manifest_sha256"`
	Ledger         storage.Ledger `json:"ledger"` // that the restored store had
	ProvenAt       time.Time      `json:"proven_at"`
	DurationMS     float64        `json:"duration_ms"`

	file string
}

// A proof's file is <snapshot>_<id>.json: a later proof never overwrites one, and a copy
// of it has another name than it says, also where two drills are of one millisecond.
func cutProofName(base string) (snapshot, id string, ok bool) {
	i := strings.LastIndexByte(base, '_')
	if i < 0 || !runID.MatchString(base[i+1:]) {
		return "", "", false
	}
	_, ok = parseStamp(base[:i])
	return base[:i], base[i+1:], ok
}

func (v *Vault) writeProof(p Proof) error {
	p.ID = NewRunID(p.ProvenAt)
	data, _, err := seal(p)
	if err != nil {
		return err
	}
	dir := v.path(proofsName, p.Table)
	if err := v.fs.MkdirAll(dir); err != nil {
		return err
	}
	return disk.WriteAtomic(v.fs, filepath.Join(dir, p.Snapshot+"_"+p.ID+".json"), data)
}

// readProof reads and checks the proof in a file of the given name.
func (v *Vault) readProof(table, base string) (p Proof, err error) {
	file := v.path(proofsName, table, base+".json")
	if _, err := readSealed(v.fs, file, proofFormat, &p); err != nil {
		return Proof{}, inTable(err, table)
	}
	snapshot, id, ok := cutProofName(base)
	if ok && p.ID != "" && p.ID != id {
		return Proof{}, &storage.DamageError{Table: table, File: file, Problem: "is a copy of " + p.Snapshot + "_" + p.ID + ".json: remove it, or give it that name where there is none"}
	}
	if !ok || p.Table != table || p.Snapshot != snapshot || p.ProvenAt.IsZero() {
		return Proof{}, &storage.DamageError{Table: table, File: file, Problem: "proof is of another snapshot than its name says"}
	}
	p.file = file
	return p, nil
}

// readProofs returns the newest sound proof of each of a table's snapshots. Damaged
// ones prove nothing; Verify reports them. The error is of those that cannot be read for
// now, and may prove something.
func (v *Vault) readProofs(table string) (newest map[string]Proof, unread error) {
	newest = map[string]Proof{}
	names, unread := v.documents(filepath.Join(proofsName, table))
	for _, base := range names {
		p, err := v.readProof(table, base)
		switch {
		case err == nil && !p.ProvenAt.Before(newest[p.Snapshot].ProvenAt):
			newest[p.Snapshot] = p
		case err != nil && !isMissing(err) && disk.IsUnreadable(err):
			unread = errors.Join(unread, err)
		}
	}
	return newest, unread
}

// LastProof returns how long the newest proven restore of the table took, in
// milliseconds; 0 where none was proven.
func (v *Vault) LastProof(table string) (ms float64) {
	var last time.Time
	proofs, _ := v.readProofs(table) // what cannot be read is not told
	for _, p := range proofs {
		if p.ProvenAt.After(last) {
			last, ms = p.ProvenAt, p.DurationMS
		}
	}
	return ms
}
