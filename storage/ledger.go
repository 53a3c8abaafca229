package storage

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"

	"github.com/zeebo/xxh3"
)

// Ledger is a table's own account of itself, written in the same transaction as
// every commit. It is computed from what was written, so it can testify against
// what is later read.
type Ledger struct {
	Version Version `json:"version"` // of the commit that wrote it
	Records uint64  `json:"records"` // live records, those that are due but not yet removed included
	Bytes   uint64  `json:"bytes"`   // of their keys and values
	Digest  Digest  `json:"digest"`
	Commits uint64  `json:"commits"` // since the table began; it goes on across restores
	// Dead estimates the bytes that overwritten and deleted records still occupy.
	// It is no part of [Ledger.Agrees].
	Dead uint64 `json:"-"`
	// Writes counts what the last commit wrote and deleted, and Change is the digest of
	// just that, deletions included (see [Entry.Hash]): they tell whether a commit that
	// is read back, from the store or the change log, is whole.
	Writes uint64 `json:"-"`
	Change Digest `json:"-"`
}

// Digest is the sum, modulo 2^128, of the hashes of all live records: it does not
// depend on their order, and a record can be added or taken away (the AdHash
// construction of Bellare and Micciancio, 1997, here against accidents only).
type Digest struct{ hi, lo uint64 }

func (d *Digest) add(h Hash) {
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, h.Lo, 0)
	d.hi, _ = bits.Add64(d.hi, h.Hi, carry)
}

func (d *Digest) sub(h Hash) {
	var borrow uint64
	d.lo, borrow = bits.Sub64(d.lo, h.Lo, 0)
	d.hi, _ = bits.Sub64(d.hi, h.Hi, borrow)
}

// String returns the digest as 32 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(be64(be64(nil, d.hi), d.lo)) }

// MarshalText is [Digest.String].
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what [Digest.String] wrote.
func (d *Digest) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != 16 {
		return fmt.Errorf("%w digest %.40q", ErrInvalid, text)
	}
	d.hi, d.lo = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	return nil
}

// Add counts one live record in.
func (l *Ledger) Add(r *Record, h Hash) {
	l.Records++
	l.Bytes += r.size()
	l.Digest.add(h)
}

func (l *Ledger) remove(r *Record, h Hash) { l.take(r.size(), h) }

// take counts a live record of a size out.
func (l *Ledger) take(size uint64, h Hash) {
	l.Records--
	l.Bytes -= size
	l.Digest.sub(h)
}

// note counts one change into the last commit's own account.
func (l *Ledger) note(h Hash) {
	l.Writes++
	l.Change.add(h)
}

// Misses says in words how the changes, which should be those of the commit that
// wrote the ledger, are not; "" when they are. Each change is checked, too.
func (l Ledger) Misses(changes []Entry) (problem string) {
	var found Ledger
	for _, e := range changes {
		h, problem := e.Hash()
		if problem != "" {
			return fmt.Sprintf("key %.80q: %s", e.Key, problem)
		}
		if e.Version != l.Version {
			return fmt.Sprintf("key %.80q has version %d, its commit %d", e.Key, e.Version, l.Version)
		}
		found.note(h)
	}
	if found.Writes != l.Writes || found.Change != l.Change {
		return fmt.Sprintf("commit %d made %d changes with digest %s; found %d with digest %s", l.Version, l.Writes, l.Change, found.Writes, found.Change)
	}
	return ""
}

// Agrees says whether both count the same records, bytes and digest. Version and
// Commits are not compared: a scan cannot know them.
func (l Ledger) Agrees(other Ledger) bool {
	return l.Records == other.Records && l.Bytes == other.Bytes && l.Digest == other.Digest
}

// Differs says in words how the found account differs from this one.
func (l Ledger) Differs(found Ledger) string {
	return fmt.Sprintf("ledger has %d records, %d bytes, digest %s; found %d records, %d bytes, digest %s",
		l.Records, l.Bytes, l.Digest, found.Records, found.Bytes, found.Digest)
}

const (
	ledgerFormat  = 1
	ledgerNumbers = 10
	// LedgerSize is the length of an encoded ledger, in bytes.
	LedgerSize = 1 + ledgerNumbers*8 + 8
)

// Append appends the encoded ledger: its format byte, ten big-endian numbers and
// the XXH3 of all that.
func (l *Ledger) Append(b []byte) []byte {
	start := len(b)
	b = append(b, ledgerFormat)
	for _, n := range [ledgerNumbers]uint64{uint64(l.Version), l.Records, l.Bytes, l.Digest.hi, l.Digest.lo, l.Commits, l.Dead,
		l.Writes, l.Change.hi, l.Change.lo} {
		b = be64(b, n)
	}
	return be64(b, xxh3.Hash(b[start:]))
}

// DecodeLedger reads what [Ledger.Append] wrote. problem says in words why it cannot.
func DecodeLedger(b []byte) (l Ledger, problem string) {
	if len(b) != LedgerSize || b[0] != ledgerFormat {
		return l, "ledger has an unknown format"
	}
	body := b[:LedgerSize-8]
	if binary.BigEndian.Uint64(b[len(body):]) != xxh3.Hash(body) {
		return l, "ledger does not match its checksum"
	}
	var n [ledgerNumbers]uint64
	for i := range n {
		n[i] = binary.BigEndian.Uint64(body[1+8*i:])
	}
	return Ledger{Version: Version(n[0]), Records: n[1], Bytes: n[2], Digest: Digest{n[3], n[4]}, Commits: n[5], Dead: n[6],
		Writes: n[7], Change: Digest{n[8], n[9]}}, ""
}
