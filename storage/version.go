package storage

import (
	"encoding/binary"
	"time"
)

// Version is a reading of the hub's commit clock: milliseconds since 1970 in the
// upper bits and a 10-bit counter below, so that a version is also a time. All
// versions are below 2^53 and so are exact as JSON numbers (until the year 2248).
type Version uint64

const (
	counterBits = 10
	// MaxVersion is the highest version there can be.
	MaxVersion Version = 1<<53 - 1
)

// VersionAt returns the first version of t's millisecond; times before 1970 give 0.
func VersionAt(t time.Time) Version {
	ms := t.UnixMilli()
	switch {
	case ms < 0:
		return 0
	case ms > MaxVersion.millis(): // the shift would wrap around
		return MaxVersion
	}
	return Version(ms) << counterBits
}

// EndOf returns the last version of t's millisecond: what was so at t is what is so
// as of it.
func EndOf(t time.Time) Version {
	return min(VersionAt(t)|(1<<counterBits-1), MaxVersion)
}

// Time returns the version's millisecond in UTC.
func (v Version) Time() time.Time { return time.UnixMilli(v.millis()).UTC() }

func (v Version) millis() int64 { return int64(v >> counterBits) }

// be64 makes keys whose byte order is the numbers' order.
func be64(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }
