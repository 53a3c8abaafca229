package changelog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/stretchr/testify/require"
)

// benchCommits are 10,000 commits of 1 to 10 records of about 256 bytes: JSON as an
// agent hub keeps it, or bytes that nothing compresses.
func benchCommits(b *testing.B, random bool) (h Head, commits []storage.Commit, size int64) {
	rnd := rand.New(rand.NewPCG(1, 2))
	h = Head{Vault: vaultID, HubID: hubID, To: 1 << 40, Tables: []TableState{{Table: "task_queue", Through: 1 << 40}}}
	st := &h.Tables[0]
	for n := range 10_000 {
		v := storage.Version(1+n) << 10
		var changes []storage.Entry
		for range 1 + rnd.IntN(10) {
			value := make([]byte, 256)
			if random {
				for i := range value {
					value[i] = byte(rnd.Uint32())
				}
			} else {
				value = fmt.Appendf(nil, `{"id":"task-%016x","status":"queued","priority":%d,"created_at":%d,"agent":"agent-%d","payload":{"kind":"index","path":"/docs/%x/%x.md","attempt":%d,"trace":"%016x%016x"},"depends_on":["task-%08x"]}`,
					rnd.Uint64(), rnd.IntN(9), 1795000000000+n, rnd.IntN(40), rnd.Uint32(), rnd.Uint32(), rnd.IntN(4), rnd.Uint64(), rnd.Uint64(), rnd.Uint32())
			}
			e := entry(fmt.Sprintf("task-%016x", rnd.Uint64()), string(value), v)
			size += int64(len(e.Key) + len(e.Envelope))
			changes = append(changes, e)
		}
		st.After = ledger(b, nil, storage.Ledger{Version: v, Commits: uint64(n + 1)}, changes)
		commits = append(commits, storage.Commit{Ledger: st.After, Changes: changes})
	}
	st.Commits = uint64(len(commits))
	return h, commits, size
}

func BenchmarkSegment(b *testing.B) {
	for _, data := range []string{"json", "random"} {
		h, commits, size := benchCommits(b, data == "random")
		for name, codec := range map[string]Codec{"stored": Stored, "s2": S2, "zstd": Zstd} {
			var out bytes.Buffer
			b.Run(data+"/write/"+name, func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					out.Reset()
					w, err := newWriter(b.Context(), &out, "f", &h, codec, nil)
					require.NoError(b, err)
					for i := range commits {
						require.NoError(b, w.add(0, &commits[i]))
					}
					require.NoError(b, w.finish())
				}
				b.ReportMetric(float64(size)/float64(out.Len()), "ratio")
			})
			b.Run(data+"/read/"+name, func(b *testing.B) {
				b.SetBytes(size)
				for b.Loop() {
					r := newReader(b.Context(), bytes.NewReader(out.Bytes()), int64(out.Len()), "f", span{h.From, h.To})
					require.NoError(b, r.readHead())
					require.NoError(b, r.frames(-1, newAccount(&r.head, nil), func(int, storage.Commit) error { return nil }))
				}
			})
		}
	}
}
