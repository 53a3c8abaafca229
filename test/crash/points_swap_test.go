package crash

import (
	"time"

	"github.com/brockdb/brock/test/harness"
)

// The points at which one store takes another's place, and those of starts.

func restorePoints() []point {
	const marker, store = "data/tables/rolled/table.json", "data/tables/rolled/store/2*"
	in := place{"restore", restores}
	return []point{
		in.file("a store is built", harness.OpOpen, "vault/tables/rolled/*manifest.json", after).within(25 * time.Millisecond),
		in.file("pending not noted", harness.OpRename, marker, before),
		in.file("pending noted", harness.OpRename, marker, after),
		in.file("store not named", harness.OpRename, store, before),
		in.file("store named", harness.OpRename, store, after),
		in.message("swap asked for", "rolled", harness.Exchange, before),
		in.message("brought up to date", "rolled", harness.Exchange, after).within(5 * time.Millisecond),
		in.torn("marker half written", "data/tables/rolled/.tmp-table.json", 40).exactly(2),
		in.file("marker not renamed", harness.OpRename, marker, before).exactly(2),
		in.file("marker renamed", harness.OpRename, marker, after).exactly(2),
		in.message("swapped, nobody told", "rolled", harness.Exchanged, before),
		in.message("all are told", "rolled", harness.Exchanged, after),
	}
}

func compactPoints() []point {
	const marker, store = "data/tables/b/table.json", "data/tables/b/store/2*"
	in := place{"compaction", compactions}
	return []point{
		in.message("a store is built", "b", harness.Apply, before).at(20).within(20 * time.Millisecond),
		in.file("pending noted", harness.OpRename, marker, after),
		in.file("store not named", harness.OpRename, store, before),
		in.file("store named", harness.OpRename, store, after),
		in.message("swap asked for", "b", harness.Exchange, before),
		in.file("marker not renamed", harness.OpRename, marker, before).exactly(2),
		in.message("swapped, nobody told", "b", harness.Exchanged, before),
		in.file("old store not removed", harness.OpRemoveAll, store, before),
		in.file("old store removed", harness.OpRemoveAll, store, after),
		in.file("old store not forgotten", harness.OpRename, marker, before).exactly(3),
		in.file("history not renamed", harness.OpRename, "data/compactions.json", before),
	}
}

// startPoints are in starts that clear up behind a process that was killed before.
func startPoints() []point {
	in := place{"recovery", writing}
	return []point{
		in.file("note of an opening not renamed", harness.OpRename, "*/opening.json", before).at(4).whenStarting(),
		in.file("Badger opens a store", harness.OpRename, "*/opening.json", after).at(4).within(10 * time.Millisecond).whenStarting(),
		in.message("a store is open, its table knows nothing", "a", harness.Opened, before).whenStarting(),
		in.file("half a snapshot not swept", harness.OpRemoveAll, "vault/tables/a/snapshots/.tmp-*", before).whenStartingAfter("copy: frames synced"),
		in.file("half a snapshot swept", harness.OpRemoveAll, "vault/tables/a/snapshots/.tmp-*", after).whenStartingAfter("rename: snapshot without its name"),
		in.file("half a segment not swept", harness.OpRemoveAll, "vault/log/.tmp-*", before).whenStartingAfter("log shipping: commits half written"),
		in.file("parts of a merged segment not removed", harness.OpRemove, segment, before).final().whenStartingAfter("log merge: renamed, its parts still there"),
		in.file("parts of a merged segment removed", harness.OpRemove, segment, after).final().at(2).whenStartingAfter("log merge: renamed, its parts still there"),
		in.file("half a restore not removed", harness.OpRemoveAll, "data/tables/rolled/store/2*", before).whenStartingAfter("restore: store named"),
		in.file("half a restore removed", harness.OpRemoveAll, "data/tables/rolled/store/2*", after).whenStartingAfter("restore: marker not renamed"),
		in.file("store in the making not swept", harness.OpRemoveAll, "data/tables/rolled/store/.tmp-*", before).whenStartingAfter("restore: store not named"),
		in.file("compacted store removed", harness.OpRemoveAll, "data/tables/b/store/2*", after).whenStartingAfter("compaction: swapped, nobody told"),
		in.file("compacted store not forgotten", harness.OpRename, "data/tables/b/table.json", before).whenStartingAfter("compaction: old store not removed"),
	}
}

// healPoints are in the recovery of a table whose store is damaged.
func healPoints() []point {
	const notes, marker = "data/heals.json", "data/tables/files/table.json"
	in := place{"healing", healing}
	return []point{
		in.file("damage not noted", harness.OpRename, notes, before).whenStarting(),
		in.file("a store is built", harness.OpRename, notes, after).within(60 * time.Millisecond).whenStarting(),
		in.file("swap noted", harness.OpRename, notes, after).exactly(2).whenStarting(),
		in.file("marker not renamed", harness.OpRename, marker, before).exactly(2).whenStarting(),
		in.message("swapped, nobody told", "files", harness.Exchanged, before).whenStarting(),
		in.file("healed, not noted", harness.OpRename, notes, before).exactly(3).whenStarting(),
	}
}

// firstPoints are in the first start in an empty directory.
func firstPoints() []point {
	in := place{"first start", writing}
	return []point{
		in.file("credentials not renamed", harness.OpRename, "data/credentials.json", before).inEmptyDir(),
		in.file("vault's marker not renamed", harness.OpRename, "vault/brock.json", before).inEmptyDir(),
		in.file("vault's marker renamed", harness.OpRename, "vault/brock.json", after).inEmptyDir(),
		in.file("a table's store is made", harness.OpRename, "*/table.json", after).at(4).within(20 * time.Millisecond).inEmptyDir(),
		in.file("a table's store is named", harness.OpRename, "*/table.json", before).at(8).inEmptyDir(),
		in.file("list of tables not renamed", harness.OpRename, "data/tables.json", before).at(3).inEmptyDir(),
	}
}
