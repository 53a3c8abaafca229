package crash

import (
	"slices"
	"time"

	"github.com/brockdb/brock/test/harness"
)

// point is a place in the code at which a hub is killed.
type point struct {
	area string
	name string
	work work // that comes to it
	step harness.Step
	nth  int // up to which time that it comes to the step is drawn from; 0: the step says which
	// later is for what no hook leads into, Badger's own work above all: the kill comes
	// at a random moment within this time from the step.
	later time.Duration
	start bool   // it is in the start of a hub, not in its work
	fresh bool   // … of the first start in an empty directory
	prior string // the point at which a process before must be killed, to make it come
}

func (p point) at(most int) point                { p.nth = most; return p }
func (p point) exactly(nth int) point            { p.step.Nth, p.nth = nth, 0; return p }
func (p point) within(d time.Duration) point     { p.later = d; return p }
func (p point) whenStarting() point              { p.start = true; return p }
func (p point) whenStartingAfter(o string) point { p.start, p.prior = true, o; return p }
func (p point) inEmptyDir() point                { p.start, p.fresh = true, true; return p }

const (
	before = false
	after  = true
)

// place begins a list of points of one area that one kind of work comes to.
type place struct {
	area string
	work work
}

func (p place) file(name string, kind harness.OpKind, pattern string, after bool) point {
	return point{area: p.area, name: p.area + ": " + name, work: p.work, step: harness.AtFile(kind, pattern, 1, after), nth: 1}
}

// torn is the moment when a file is written as far as the byte.
func (p place) torn(name, pattern string, atByte int64) point {
	o := p.file(name, harness.OpWrite, pattern, before)
	o.step.AtByte = atByte
	return o
}

func (p place) message(name, table string, m harness.Message, after bool) point {
	return point{area: p.area, name: p.area + ": " + name, work: p.work, step: harness.AtMessage(table, m, 1, after), nth: 1}
}

// final leaves temporary files out.
func (p point) final() point { p.step.Final = true; return p }

// behind narrows the point to files that another step came to before.
func (p point) behind(s harness.Step) point { p.step.Behind = &s; return p }

// points are all places at which hubs are killed.
func points() []point {
	return slices.Concat(commitPoints(), clockPoints(), shipPoints(), mergePoints(), copyPoints(), filesPoints(),
		manifestPoints(), runPoints(), retentionPoints(), proofPoints(), restorePoints(), compactPoints(), startPoints(),
		healPoints(), firstPoints())
}

func commitPoints() []point {
	in := place{"commit", writing}
	return []point{
		in.message("a batch arrives", "a", harness.Apply, before).at(20),
		in.message("a group is gathered", "a", harness.Tick, before).at(10),
		in.message("Badger is at work", "a", harness.Apply, after).at(10).within(3 * time.Millisecond),
		in.message("it is durable, the actor knows nothing", "a", harness.Committed, before).at(20),
		in.message("callers are answered", "a", harness.Committed, after).at(20),
	}
}

func clockPoints() []point {
	in := place{"clock", writing}
	return []point{
		in.torn("mark half written", "data/.tmp-clock", 12).whenStarting(),
		in.file("mark not synced", harness.OpSync, "data/.tmp-clock", before).whenStarting(),
		in.file("mark not renamed", harness.OpRename, "data/clock", before).whenStarting(),
		in.file("mark renamed", harness.OpRename, "data/clock", after).whenStarting(),
	}
}

const segment = "vault/log/*.log"

func shipPoints() []point {
	in := place{"log shipping", shipping}
	return []point{
		in.file("segment begun", harness.OpCreate, segment, after).at(5),
		in.torn("header half written", segment, 30).at(5),
		in.torn("commits half written", segment, 800).at(3),
		in.file("segment not synced", harness.OpSync, segment, before).at(5),
		in.file("segment not renamed", harness.OpRename, segment, before).at(5),
		in.file("segment renamed", harness.OpRename, segment, after).at(5),
		in.file("segment durable", harness.OpSyncDir, "vault/log", after).at(5),
	}
}

func mergePoints() []point {
	in := place{"log merge", merging}
	readBack := harness.AtFile(harness.OpOpen, "vault/log/.tmp-*", 1, before)
	return []point{
		in.file("first segment read", harness.OpOpen, segment, before).final(),
		in.file("half written", harness.OpOpen, segment, after).final().at(8),
		in.file("not read back", harness.OpOpen, "vault/log/.tmp-*", before).at(3),
		in.file("not renamed", harness.OpRename, segment, before).behind(readBack).at(2),
		in.file("renamed, its parts still there", harness.OpRename, segment, after).behind(readBack).at(2),
		in.file("one of its parts removed", harness.OpRemove, segment, after).final().at(3),
	}
}

func copyPoints() []point {
	flush, pin, in := place{"flush", backups}, place{"pin", backups}, place{"copy", backups}
	return []point{
		flush.message("asked for", "a", harness.Flush, before).at(2),
		flush.message("a table is excused", "a", harness.Excuse, before),
		pin.message("pinned, nothing copied", "a", harness.Flush, after).at(2),
		pin.message("the files' table pinned", "files", harness.Flush, after),
		in.file("folder made", harness.OpMkdir, "vault/tables/a/snapshots/.tmp-*", after).at(2),
		in.file("frames begun", harness.OpCreate, "vault/tables/a/*.frames", after),
		in.torn("header half written", "vault/tables/a/*.frames", 20),
		in.torn("frames half written", "vault/tables/a/*.frames", 200).at(2),
		in.file("frames not synced", harness.OpSync, "vault/tables/a/*.frames", before),
		in.file("frames synced", harness.OpSync, "vault/tables/a/*.frames", after).at(2),
	}
}

func filesPoints() []point {
	in := place{"copy of files", files}
	return []point{
		in.file("begun", harness.OpCreate, "vault/tables/files/pool/*", after),
		in.torn("half written", "vault/tables/files/pool/*", 100_000),
		in.file("not synced", harness.OpSync, "vault/tables/files/pool/*", before),
		in.file("not renamed", harness.OpRename, "vault/tables/files/pool/*", before),
		in.file("renamed", harness.OpRename, "vault/tables/files/pool/*", after),
		in.torn("tail half written", "vault/tables/files/*.tail", 60),
		in.file("all but its name", harness.OpRename, "vault/tables/files/snapshots/.tmp-2*", before),
	}
}

func manifestPoints() []point {
	in, chain, rename := place{"manifest", backups}, place{"manifest", chains}, place{"rename", backups}
	return []point{
		in.file("begun", harness.OpCreate, "vault/tables/a/*manifest.json", after),
		in.torn("half written", "vault/tables/a/*manifest.json", 300).at(2),
		in.file("not synced", harness.OpSync, "vault/tables/a/*manifest.json", before),
		in.file("synced", harness.OpSync, "vault/tables/a/*manifest.json", after).at(2),
		chain.torn("of an earlier snapshot and the log, half written", "vault/tables/files/*manifest.json", 300),
		chain.file("of an earlier snapshot and the log, named", harness.OpRename, "vault/tables/files/snapshots/.tmp-2*", after),
		rename.file("snapshot without its name", harness.OpRename, "vault/tables/a/snapshots/.tmp-2*", before).at(2),
		rename.file("snapshot named", harness.OpRename, "vault/tables/a/snapshots/.tmp-2*", after).at(2),
		rename.file("name durable", harness.OpSyncDir, "vault/tables/a/snapshots", after),
	}
}

func runPoints() []point {
	in := place{"run record", backups}
	return []point{
		in.torn("half written", "vault/runs/*", 200),
		in.file("not renamed", harness.OpRename, "vault/runs/*", before).at(2),
		in.file("renamed", harness.OpRename, "vault/runs/*", after).at(2),
		in.message("run over, nobody told", "", harness.Ran, before),
		in.message("all are told", "", harness.Ran, after),
	}
}

func retentionPoints() []point {
	in, pool := place{"retention", backups}, place{"retention", files}
	return []point{
		in.torn("record half written", "vault/removals/*", 200),
		in.file("record not renamed", harness.OpRename, "vault/removals/*", before).at(2),
		in.file("record renamed", harness.OpRename, "vault/removals/*", after).at(2),
		in.file("snapshot still named", harness.OpRename, "vault/tables/*/snapshots/.tmp-removed-*", before).at(3),
		in.file("snapshot renamed", harness.OpRename, "vault/tables/*/snapshots/.tmp-removed-*", after).at(3),
		in.file("files not removed", harness.OpRemoveAll, "vault/tables/*/snapshots/.tmp-removed-*", before).at(3),
		in.file("files removed", harness.OpRemoveAll, "vault/tables/*/snapshots/.tmp-removed-*", after).at(3),
		pool.file("pool file removed", harness.OpRemove, "vault/tables/files/pool/*", after).final(),
		in.file("segment of the log still there", harness.OpRemove, segment, before).final().at(4),
		in.file("segment of the log removed", harness.OpRemove, segment, after).final().at(4),
	}
}

func proofPoints() []point {
	in := place{"proof", drills}
	return []point{
		in.file("a store is built", harness.OpOpen, "vault/tables/*/manifest.json", after).final().within(20 * time.Millisecond),
		in.torn("half written", "vault/proofs/*", 200),
		in.file("renamed", harness.OpRename, "vault/proofs/*", after),
	}
}
