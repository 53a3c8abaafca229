package linear

import (
	"hash/maphash"
)

// step returns what the table may be after the operation, nothing where the answer
// cannot have come from this state.
func step(s state, in input, out output) []state {
	switch in.Kind {
	case get:
		return s.seen([]int{in.Key}, out.Cells)
	case scan:
		return s.seen([]int{0, 1, 2, 3, 4}, out.Cells)
	case count:
		if s.count() == out.Count {
			return []state{s}
		}
	case write:
		return s.written(in.Batch, out)
	case backup:
		return s.backedUp(in, out)
	case restore:
		return s.restored(in, out)
	}
	return nil
}

func (s state) count() (n uint64) {
	for _, c := range s.cells {
		if c.Val > 0 {
			n++
		}
	}
	return n
}

// seen compares what was read. A version that was not known is known from then on.
func (s state) seen(which []int, found [keys]cell) []state {
	for _, k := range which {
		have, is := s.cells[k], found[k]
		switch {
		case have == is:
		case have.Val == is.Val && have.Val > 0 && have.Ver == 0:
			s.cells[k] = is
			s.last = max(s.last, is.Ver)
		default:
			return nil
		}
	}
	return []state{s}
}

func (s state) written(b []change, out output) []state {
	holds, fails := s.allows(b)
	switch out.Status {
	case done:
		if !holds || out.Version < s.last {
			return nil
		}
		for _, c := range b { // of one commit each key is written once
			if c.Val > 0 && s.cells[c.Key].Ver == out.Version {
				return nil
			}
		}
		return []state{s.with(b, out.Version)}
	case conflict:
		if fails {
			return []state{s}
		}
	case unknown:
		after := []state{s}
		if holds {
			after = append(after, s.with(b, 0))
		}
		return after
	}
	return nil
}

// allows says whether the batch's conditions may hold, and whether they may not: of a
// record whose version nobody was told, both.
func (s state) allows(b []change) (may, mayNot bool) {
	may = true
	for _, c := range b {
		have := s.cells[c.Key]
		switch {
		case c.IfAbsent && have.Val > 0:
			return false, true
		case c.IfVersion == 0 || have.Val > 0 && have.Ver == c.IfVersion:
		case have.Val > 0 && have.Ver == 0:
			mayNot = true
		default:
			return false, true
		}
	}
	return may, mayNot
}

func (s state) with(b []change, version uint64) state {
	for _, c := range b {
		if s.cells[c.Key] = (cell{c.Val, version}); c.Val == 0 {
			s.cells[c.Key] = cell{}
		}
	}
	s.last = max(s.last, version)
	return s
}

// backedUp keeps what the table is at the cut.
func (s state) backedUp(in input, out output) []state {
	if out.Version < s.last {
		return nil
	}
	s.last = out.Version
	if in.wanted {
		s.runs = &runs{out.Run, out.Version, s.cells, s.runs, maphash.String(hashSeed, out.Run) ^ maphash.Comparable(hashSeed, s.cells)}
	}
	return []state{s}
}

func (s state) restored(in input, out output) []state {
	for r := s.runs; r != nil; r = r.before {
		if r.id != in.Run {
			continue
		}
		after := s
		after.cells = r.cells
		switch {
		case out.Status == unknown:
			return []state{s, after}
		case out.Version != r.cut:
			return nil
		}
		return []state{after}
	}
	if out.Status == unknown { // the run came to nothing
		return []state{s}
	}
	return nil
}
