package storage

import "encoding/binary"

// Keys inside a store. Records and what Brock keeps beside them lie in rooms of
// their own, told apart by the first byte:
//
//	r <key>                       a record
//	x <expires_at ms> <key>       an index of what expires, derived from the records
//	s l <minute>                  the ledger; a new key each minute of the clock, so
//	                              that no key gathers a million versions in one file
//	s r                           at each restore: the version that was restored
const (
	recordRoom = 'r'
	expiryRoom = 'x'
)

var (
	recordPrefix = []byte{recordRoom}
	expiryPrefix = []byte{expiryRoom}
	ledgerPrefix = []byte("sl")
	restoredKey  = []byte("sr")
)

func recordKey(key []byte) []byte {
	return append(append(make([]byte, 0, 1+len(key)), recordRoom), key...)
}

func expiryKey(at int64, key []byte) []byte {
	b := append(make([]byte, 0, 9+len(key)), expiryRoom)
	return append(be64(b, uint64(at)), key...)
}

// splitExpiry returns the time and the record's key of an index key.
func splitExpiry(k []byte) (at int64, key []byte) {
	return int64(binary.BigEndian.Uint64(k[1:])), k[9:]
}

func ledgerKey(v Version) []byte {
	return be64(append(make([]byte, 0, 10), ledgerPrefix...), uint64(v.millis()/60_000))
}
