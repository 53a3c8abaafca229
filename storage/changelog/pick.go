package changelog

// tiers are the sizes, in bytes, below which segments are of one kind. What is
// larger than the last is merged no more: a log of a week at full speed has a few
// thousand of those.
var tiers = [...]int64{16 << 10, 256 << 10, 4 << 20}

func tierOf(bytes int64) int {
	for i, limit := range tiers {
		if bytes < limit {
			return i
		}
	}
	return len(tiers)
}

// pick chooses the run to merge: of the lowest tier that has one, the oldest. Smaller
// segments between larger ones go along, so that none is left behind for ever.
func (l *Log) pick(o MergeOptions) []Segment {
	chain := l.Segments()
	for tier := range tiers {
		for i := 0; i < len(chain); {
			n := l.runLength(chain[i:], tier, o.MaxBytes)
			if n >= o.Fanout {
				return chain[i : i+n]
			}
			i++
		}
	}
	return nil
}

// runLength says how many segments from the first on can become one.
func (l *Log) runLength(chain []Segment, tier int, room int64) int {
	last := map[string]TableState{}
	for n, s := range chain {
		if room -= s.Bytes; room < 0 || tierOf(s.Bytes) > tier || l.bad[s.Name] {
			return n
		}
		if n > 0 && !joins(last, &chain[n-1], &s) {
			return n
		}
		for _, t := range s.Tables {
			last[t.Table] = t
		}
	}
	return len(chain)
}

// joins says whether nothing is lost where the two become one.
func joins(last map[string]TableState, a, b *Segment) bool {
	if a.To != b.From || a.HubID != b.HubID {
		return false
	}
	for _, t := range b.Tables {
		if t.Break || follows(last, t) != "" {
			return false
		}
	}
	return true
}
