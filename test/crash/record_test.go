package crash

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// record is what the outside knows of a hub: what its processes were told to write, and
// what they acknowledged, as they said so before they were killed.
type record struct {
	writers map[string]*known // by table and writer
	kept    map[int]bool      // the state of "rolled" that its newest snapshot may have
	writes  int               // acknowledged
	backups int
	swaps   int // restores and compactions
}

// known is what a writer has written.
type known struct {
	acked, sent int
	restoring   string // into what its table is being restored; "": it is not
}

func newRecord() *record { return &record{writers: map[string]*known{}, kept: map[int]bool{0: true}} }

func (r *record) clone() *record {
	c := &record{writers: map[string]*known{}, kept: maps.Clone(r.kept)}
	for name, k := range r.writers {
		copied := *k
		c.writers[name] = &copied
	}
	return c
}

func (r *record) of(writer string) *known {
	if r.writers[writer] == nil {
		r.writers[writer] = &known{}
	}
	return r.writers[writer]
}

// learn takes in a line, and says what it proves to be wrong.
func (r *record) learn(line string) (problem string) {
	word := strings.Fields(line)
	if word[0] == "problem" {
		return line
	}
	if len(word) == 1 {
		r.count(word[0])
		return ""
	}
	n := 0
	if len(word) == 3 {
		var err error
		if n, err = strconv.Atoi(word[2]); err != nil {
			return "not understood: " + line
		}
	}
	k := r.of(word[1])
	switch word[0] {
	case "try":
		k.sent = n
	case "ack":
		k.acked = n
		r.writes++
	case "have":
		return r.have(word[1], n)
	case "backing":
		r.kept[n] = true
	case "backed":
		r.kept = map[int]bool{n: true}
	case "restoring-snapshot", "restoring-latest":
		k.restoring = strings.TrimPrefix(word[0], "restoring-")
	case "restored":
		return r.restored(word[1], n)
	default:
		return "not understood: " + line
	}
	return ""
}

func (r *record) count(what string) {
	switch what {
	case "backup":
		r.backups++
	case "swap":
		r.swaps++
	}
}

// have is told what a start found.
func (r *record) have(writer string, n int) string {
	k := r.of(writer)
	whole := k.acked <= n && n <= k.sent
	if !whole && !(k.restoring == "snapshot" && r.kept[n]) {
		return fmt.Sprintf("%s has %d batches, and %d were acknowledged, %d sent", writer, n, k.acked, k.sent)
	}
	*k = known{acked: n, sent: n}
	return ""
}

// restored is told what a restore led to.
func (r *record) restored(writer string, n int) string {
	k := r.of(writer)
	if k.restoring == "latest" && n != k.acked || k.restoring == "snapshot" && !r.kept[n] {
		return fmt.Sprintf("%s was restored (%s) to %d batches; %d were acknowledged, and its newest snapshot has one of %v", writer, k.restoring, n, k.acked, r.kept)
	}
	*k = known{acked: n, sent: n}
	return ""
}

// agree compares with what somebody read, exactly.
func (r *record) agree(found map[string]int) string {
	for name, k := range r.writers {
		if found[name] != k.acked || k.acked != k.sent {
			return fmt.Sprintf("%s has %d batches, and %d were acknowledged, %d sent", name, found[name], k.acked, k.sent)
		}
	}
	return ""
}
