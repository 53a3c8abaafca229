// Package vault keeps what backups made: snapshots, the runs that made them, what
// was proven and what retention removed. It is a directory that one hub owns.
//
// The words are the design's. A snapshot is one table at a cut; a run is one backup
// over one or more tables; a snapshot is proven when a drill restored it and found
// the table's ledger at the cut.
//
// What the package promises:
//
//   - A snapshot that [Vault.List] shows is complete: it was built under a temporary
//     name, every file synced, the manifest last, then renamed, and the folder synced.
//     A failed or interrupted backup leaves only temporary names, which the next
//     [Open] sweeps. Nothing else is ever swept.
//   - No backup of bad data: every record is checked while it is copied, and the copy
//     must agree with the table's ledger, or there is no snapshot.
//   - Every byte is covered: records carry their own hash, frames and files theirs,
//     manifests and records of runs, proofs and removals end with the SHA-256 of their
//     own content, and a run record holds those of its manifests.
//   - Damage is a [storage.DamageError] that names the file and hides nothing else:
//     what is sound stays listed and restorable.
//   - Retention records durably what it removes before it begins, and never counts a
//     damaged snapshot as kept, nor removes one.
//
// The byte layouts are in storage/FORMAT.md. All methods of [Vault] may be called
// concurrently. No goroutine outlives a call.
package vault
