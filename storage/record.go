package storage

import (
	"encoding/binary"
	"time"

	"github.com/zeebo/xxh3"
)

// Record is one key's value at one version. Its slices are the caller's to keep.
type Record struct {
	Key, Value []byte
	Version    Version   // of the commit that wrote it
	ExpiresAt  time.Time // zero: never
}

// Entry is a record as it is stored and as snapshots carry it: the value inside
// its envelope. The envelope is
//
//	format byte (1) | flags byte | expires_at ms, 8 bytes, if flag 1 | hash, 8 bytes | value
//
// all numbers big-endian. The hash is the upper half of the record's 128-bit XXH3
// (see [Entry.Check]). It covers key, version, flags, expiry and value.
type Entry struct {
	Key      []byte
	Version  Version
	Envelope []byte // nil: the key was deleted at the version
}

// Hash is a record's 128-bit hash: one half guards the record, the whole enters
// the ledger's digest. XXH3 finds accidents, not forgers: whoever can write the
// store can also write its hashes.
type Hash = xxh3.Uint128

const (
	envelopeFormat  = 1
	flagExpires     = 1
	flagDeleted     = 2 // in hashes only: a deletion has no envelope
	envelopeFixed   = 2 + 8
	envelopeMaximum = envelopeFixed + 8
)

// hashEntry hashes all that the record says. Lengths and numbers are fixed-size
// and in front, so that no two records give the same input.
func hashEntry(key []byte, v Version, flags byte, expires uint64, value []byte) Hash {
	var head [8 + 8 + 1 + 8]byte
	binary.BigEndian.PutUint64(head[0:], uint64(len(key)))
	binary.BigEndian.PutUint64(head[8:], uint64(v))
	head[16] = flags
	binary.BigEndian.PutUint64(head[17:], expires)
	if n := len(head) + len(key) + len(value); n <= 1024 {
		// One call on a small stack buffer is several times faster than the streaming hasher.
		var buf [1024]byte
		b := append(append(append(buf[:0], head[:]...), key...), value...)
		return xxh3.Hash128(b)
	}
	h := xxh3.New()
	_, _ = h.Write(head[:])
	_, _ = h.Write(key)
	_, _ = h.Write(value)
	return h.Sum128()
}

// seal puts the record into its envelope and returns its hash.
func seal(key, value []byte, v Version, expires time.Time) ([]byte, Hash) {
	var flags byte
	var at uint64
	env := make([]byte, 2, envelopeMaximum+len(value))
	if !expires.IsZero() {
		flags, at = flagExpires, uint64(expires.UnixMilli())
		env = be64(env, at)
	}
	env[0], env[1] = envelopeFormat, flags
	h := hashEntry(key, v, flags, at, value)
	env = be64(env, h.Hi)
	return append(env, value...), h
}

// Open takes the record out of its envelope, checks it, and returns it with its
// hash. The record's slices are parts of the entry. A failed check gives a
// problem in words and ok false.
func (e Entry) Open() (r Record, h Hash, problem string) {
	env := e.Envelope
	if len(env) < envelopeFixed {
		return r, h, "record is cut short"
	}
	if env[0] != envelopeFormat {
		return r, h, "record has an unknown format"
	}
	flags, rest := env[1], env[2:]
	var at uint64
	switch flags {
	case 0:
	case flagExpires:
		if len(rest) < 16 {
			return r, h, "record is cut short"
		}
		at, rest = binary.BigEndian.Uint64(rest), rest[8:]
		r.ExpiresAt = time.UnixMilli(int64(at)).UTC()
	default:
		return r, h, "record has unknown flags"
	}
	sum, value := binary.BigEndian.Uint64(rest), rest[8:]
	h = hashEntry(e.Key, e.Version, flags, at, value)
	if h.Hi != sum {
		return r, h, "record does not match its checksum"
	}
	r.Key, r.Value, r.Version = e.Key, value, e.Version
	return r, h, ""
}

// Hash returns the hash of the entry's record or, where it has no envelope, of the
// deletion that it is. A record that fails its check gives a problem in words.
func (e Entry) Hash() (h Hash, problem string) {
	if e.Envelope == nil {
		return hashEntry(e.Key, e.Version, flagDeleted, 0, nil), ""
	}
	_, h, problem = e.Open()
	return h, problem
}

// expired says whether the record is due at the time: from its expiry on it is invisible.
func (r *Record) expired(at time.Time) bool {
	return !r.ExpiresAt.IsZero() && !at.Before(r.ExpiresAt)
}

// size is what the record counts for in the ledger: the bytes of key and value.
func (r *Record) size() uint64 { return uint64(len(r.Key) + len(r.Value)) }
