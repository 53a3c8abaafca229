package soak

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/bench/records"
)

// Every writer has keys of its own, and its nth transaction is always the same: so what
// a table holds follows from how far each of its writers has come, and the whole history
// of the hub is a list of versions and numbers.
const (
	tableCount     = 13
	writersOfTable = 20
	writerCount    = tableCount * writersOfTable
	ringA, ringB   = 100, 24 // keys that a writer's transactions go round
)

func tableName(i int) string { return fmt.Sprintf("soak_%02d", i) }
func tableIndex(name string) (i int) {
	_, _ = fmt.Sscanf(name, "soak_%d", &i) // names are of our own making
	return i
}

func tableOf(writer int) int  { return writer / writersOfTable }
func headKey(w int) []byte    { return fmt.Appendf(nil, "w%03d/head", w) }
func keyA(w, slot int) []byte { return fmt.Appendf(nil, "w%03d/a/%03d", w, slot) }
func keyB(w, slot int) []byte { return fmt.Appendf(nil, "w%03d/b/%03d", w, slot) }

var markKey = []byte("mark") // written before and after a restore of the table

// mix spreads the bits of a number (the finaliser of SplitMix64).
func mix(w, n int) uint64 {
	x := uint64(w)<<48 + uint64(n) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// deletes says whether the writer's nth transaction removes its first key.
func deletes(w, n int) bool { return mix(w, n)%8 == 0 }

// valueA is mostly small, and now and then one for the value log.
func valueA(w, n int) []byte {
	x := mix(w, n)
	v := records.Value(int(x>>33), w)
	if x%256 == 1 {
		for len(v) < 40<<10 {
			v = append(v, v...)
		}
	}
	return v
}

func valueB(w, n int) []byte { return fmt.Appendf(nil, `{"writer":%d,"n":%d}`, w, n) }

// batch is the writer's nth transaction.
func batch(w, n int) app.Batch {
	a := app.Op{Key: keyA(w, n%ringA), Delete: deletes(w, n)}
	if !a.Delete {
		a.Value = valueA(w, n)
	}
	return app.Batch{a, {Key: keyB(w, n%ringB), Value: valueB(w, n)}, {Key: headKey(w), Value: strconv.AppendInt(nil, int64(n), 10)}}
}

// holds calls f with all that a writer has in its table after n transactions.
func holds(w, n int, f func(key, value []byte)) {
	if n == 0 {
		return
	}
	f(headKey(w), strconv.AppendInt(nil, int64(n), 10))
	for m := max(1, n-ringA+1); m <= n; m++ {
		if !deletes(w, m) {
			f(keyA(w, m%ringA), valueA(w, m))
		}
	}
	for m := max(1, n-ringB+1); m <= n; m++ {
		f(keyB(w, m%ringB), valueB(w, m))
	}
}

// past is how far a writer had come, and from which version on.
type past struct {
	from []app.Version // rising
	n    []int32
}

func (p *past) add(v app.Version, n int) error {
	if len(p.from) > 0 && v <= p.from[len(p.from)-1] {
		return fmt.Errorf("version %d was given after %d", v, p.from[len(p.from)-1])
	}
	p.from, p.n = append(p.from, v), append(p.n, int32(n))
	return nil
}

func (p *past) now() int {
	if len(p.n) == 0 {
		return 0
	}
	return int(p.n[len(p.n)-1])
}

func (p *past) at(v app.Version) int {
	i, found := slices.BinarySearch(p.from, v)
	if found {
		i++
	}
	if i == 0 {
		return 0
	}
	return int(p.n[i-1])
}

// blur is a stretch of versions, ends not included, in which a table was restored.
type blur struct{ from, to app.Version }

// model is what the hub must be.
type model struct {
	writers [writerCount]past
	blurs   [tableCount][]blur
}

// sure says whether the table's state at the version is known to the version.
func (m *model) sure(table int, v app.Version) bool {
	return !slices.ContainsFunc(m.blurs[table], func(b blur) bool { return b.from < v && v < b.to })
}

// restoredBy notes that a table was taken back, at some version up to the given one and
// after all that is known of it.
func (m *model) restoredBy(table int, to app.Version) {
	var from app.Version
	for w := table * writersOfTable; w < (table+1)*writersOfTable; w++ {
		if p := m.writers[w].from; len(p) > 0 && p[len(p)-1] < to {
			from = max(from, p[len(p)-1])
		}
	}
	m.blurs[table] = append(m.blurs[table], blur{from, to})
}

// instant is what the hub was at a version: how far its writers had come.
type instant struct {
	v     app.Version
	heads [writerCount]int
	sure  [tableCount]bool // of which tables that is known
}

func (m *model) at(v app.Version) (i instant) {
	i.v = v
	for w := range i.heads {
		i.heads[w] = m.writers[w].at(v)
	}
	for t := range i.sure {
		i.sure[t] = m.sure(t, v)
	}
	return i
}

// want is all that the table held, but its mark.
func (i *instant) want(table int) map[string]string {
	want := map[string]string{}
	for w := table * writersOfTable; w < (table+1)*writersOfTable; w++ {
		holds(w, i.heads[w], func(key, value []byte) { want[string(key)] = string(value) })
	}
	return want
}
