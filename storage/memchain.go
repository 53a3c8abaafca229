package storage

import "bytes"

// commitChain follows the numbers of commits through their ledgers: what is missing
// between two of them is found, even when the file that had it is gone.
type commitChain struct {
	first, last uint64 // of the ledgers so far; 0: there was none
	hole        bool
	now         uint64 // of the transaction at hand
	jump        bool   // it is the mark of a restore, which may jump
}

func (c *commitChain) entry(e memEntry) {
	key, v, _ := splitVersion(e.key)
	if string(key) == string(restoredKey) {
		c.jump = true
	}
	if bytes.HasPrefix(key, ledgerPrefix) && e.meta&bitDelete == 0 {
		if l, problem := DecodeLedger(e.value); problem == "" && l.Version == v {
			c.now = l.Commits
		}
	}
}

func (c *commitChain) commit() {
	if c.now > 0 {
		c.hole = c.hole || c.last > 0 && c.now > c.last+1 && !c.jump
		if c.first == 0 && !c.jump {
			c.first = c.now
		} else if c.first == 0 {
			c.first = 1 // it follows on anything
		}
		c.last = max(c.last, c.now)
	}
	c.now, c.jump = 0, false
}

// again follows commits that were applied again, as to a compacted store: a batch has
// many of them, in an order of its own and without ends of transactions.
func (c *commitChain) again(e memEntry) {
	c.entry(e)
	if c.jump {
		c.first = 1 // it follows on anything
	}
	if c.now > 0 {
		if c.first == 0 {
			c.first = c.now
		}
		c.first, c.last = min(c.first, c.now), max(c.last, c.now)
	}
	c.now, c.jump = 0, false
}
