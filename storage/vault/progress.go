package vault

// drillProgress tells how far a table's drill is; nil where nobody asks.
func (v *Vault) drillProgress(table string) func(done, total int64) {
	if v.progress == nil {
		return nil
	}
	return func(done, total int64) { v.progress("drill", table, done, total) }
}

// verifyProgress counts the bytes of keys and values of all of a table's snapshots.
// On nil its methods do nothing.
type verifyProgress struct {
	tell              func(done, total int64)
	done, told, total int64
}

func (v *Vault) verifyProgress(table string, names []stamp) *verifyProgress {
	if v.progress == nil {
		return nil
	}
	p := &verifyProgress{tell: func(done, total int64) { v.progress("verify", table, done, total) }}
	for _, name := range names {
		if m, _, err := v.readManifest(table, name.String()); err == nil { // else verify reports it
			p.total += int64(m.Ledger.Bytes)
		}
	}
	return p
}

func (p *verifyProgress) add(n int) {
	if p == nil {
		return
	}
	if p.done += int64(n); p.done-p.told >= frameTarget {
		p.tell(p.done, p.total)
		p.told = p.done
	}
}

// end tells that all is read, also what was too damaged to be.
func (p *verifyProgress) end() {
	if p != nil {
		p.tell(p.total, p.total)
	}
}
