package bus

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"sync"
	"time"
)

// idEncoding keeps the order of the bytes: its alphabet is in ASCII order.
var idEncoding = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// idSource makes event ids: 26 characters, six bytes of Unix milliseconds and
// ten of chance. Within one process they rise strictly, even in one
// millisecond and when the clock steps back.
type idSource struct {
	mu     sync.Mutex
	millis uint64
	tail   [10]byte
}

var eventIDs idSource

func (s *idSource) next(at time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ms := uint64(max(at.UnixMilli(), 0)); ms > s.millis {
		s.millis = ms
		rand.Read(s.tail[:])
		s.tail[0] &= 0x7f // room to count up
	} else {
		s.increment()
	}
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], s.millis<<16)
	copy(raw[6:], s.tail[:])
	return idEncoding.EncodeToString(raw[:])
}

func (s *idSource) increment() {
	for i := len(s.tail) - 1; i >= 0; i-- {
		s.tail[i]++
		if s.tail[i] != 0 {
			return
		}
	}
}

// idTime returns the time in an id made by idSource.
func idTime(id string) (time.Time, bool) {
	raw, err := idEncoding.DecodeString(id)
	if err != nil || len(raw) != 16 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(raw[:8]) >> 16)), true
}
