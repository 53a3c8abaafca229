package app

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/storage"
)

// FuzzMoment: a text is a moment that there can be, or is refused. What is said to lie
// back does not lie ahead.
func FuzzMoment(f *testing.F) {
	for _, text := range []string{"", "latest", " latest\n", "0", "9007199254740991", "9007199254740992", "18446744073709551616", "-1", "+1", "0x10", "1e3",
		"2026-11-22T21:04:05Z", "2026-11-22T21:04:05.123456789+23:59", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00Z",
		"10m ago", "2d ago", "2d3h ago", "2d 3h ago", "-2d ago", "2d-3h ago", "2d2d ago", " ago", "d ago", "1.5h ago", "9223372036854775807d ago", "9223372036854775808d ago",
		"106751991167300d ago", "2562047h ago", "2562048h ago", "NaNh ago", "1h1h1h ago", strings.Repeat("1h", 1<<12) + " ago", "\x00", "\xff ago"} {
		f.Add(text, int64(1_795_000_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, ms int64) {
		now := time.UnixMilli(ms & (1<<42 - 1)).UTC() // 1970 to 2109
		v, err := ParseMoment(text, now)
		switch {
		case err != nil && (!errors.Is(err, ErrInvalid) || len(err.Error()) > 600):
			t.Fatalf("%.100q: %v", text, err)
		case err == nil && v > storage.MaxVersion:
			t.Fatalf("%q is %d", text, v)
		case err == nil && strings.HasSuffix(strings.TrimSpace(text), "ago") && v > storage.EndOf(now):
			t.Fatalf("%q at %v is %v", text, now, v.Time())
		}
	})
}
