// Package changelog keeps the hub's commits in order, all tables in one stream, in
// segments: files named <from>-<to>.log that form a chain.
//
//   - A segment that [Log.Segments] shows is whole by its name: it was built under a
//     temporary name, synced, renamed, and the folder synced. [Log.Append] returns
//     after that. A kill leaves only temporary names, which the next [Open] sweeps.
//   - Nothing is yielded unchecked: frames are tied to their file and place by seeded
//     checksums, each record carries its own hash, each commit must be what its
//     ledger says, and commits of a table are counted without a hole. Damage is a
//     [storage.DamageError] that names the file; commits that were never shipped are
//     a [storage.GapError]; neither is ever passed over.
//   - A break (commits lost to the log because the vault was away for too long) is
//     written into the segment that begins after it, so that it stays visible.
//   - [Log.Merge] turns many small segments into few large ones, commit by commit.
//     The covered ones go only after the merged one was read back and is durable. A
//     kill in between leaves both; [Open] takes the larger one.
//
// # Readers
//
// A reader follows the chain by versions, not by names: it opens one segment at a
// time, and where that is gone because it was merged meanwhile (by this process or
// another) it lists the folder again and goes on in the one that took its place. An
// open file stays readable after it was removed. [Log.Hold] keeps what a reader
// needs from [Log.Remove].
//
// The byte layout is in storage/FORMAT.md. All methods of [Log] may be called
// concurrently. No goroutine outlives a call.
package changelog
