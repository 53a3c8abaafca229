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

func (l *Ledger) remove(r *Record, h Hash) {
	l.Records--
	l.Bytes -= r.size()
	l.Digest.sub(h)
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
	ledgerFormat = 1
	ledgerSize   = 1 + 7*8 + 8
)

// encode writes the ledger as its format byte, seven big-endian numbers and the
// XXH3 of all that.
func (l *Ledger) encode() []byte {
	b := make([]byte, 1, ledgerSize)
	b[0] = ledgerFormat
	for _, n := range [...]uint64{uint64(l.Version), l.Records, l.Bytes, l.Digest.hi, l.Digest.lo, l.Commits, l.Dead} {
		b = be64(b, n)
	}
	return be64(b, xxh3.Hash(b))
}

func decodeLedger(b []byte) (l Ledger, problem string) {
	if len(b) != ledgerSize || b[0] != ledgerFormat {
		return l, "ledger has an unknown format"
	}
	body := b[:ledgerSize-8]
	if binary.BigEndian.Uint64(b[len(body):]) != xxh3.Hash(body) {
		return l, "ledger does not match its checksum"
	}
	var n [7]uint64
	for i := range n {
		n[i] = binary.BigEndian.Uint64(body[1+8*i:])
	}
	l = Ledger{Version: Version(n[0]), Records: n[1], Bytes: n[2], Digest: Digest{n[3], n[4]}, Commits: n[5], Dead: n[6]}
	return l, ""
}
