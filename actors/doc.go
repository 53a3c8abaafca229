// Package actors has Brock's actors: the supervisor, one table actor for each
// table, and the backup actor. It is the only package that knows protoactor;
// callers hold a [TableRef] or a [BackupRef], never a PID.
//
// # Who does what
//
// A table actor owns one table's store. It gathers the writes that wait in its
// mailbox into one synced transaction (group commit), at most one in flight, and
// answers each caller when its write is durable. Reads do not pass through the
// mailbox: they run beside it at the last acknowledged version.
//
// The backup actor runs one backup at a time. It publishes a cut, asks the tables
// to flush, and has their pins copied by workers while writes go on.
//
// # Guarantees
//
// No write that returned nil is lost. A write that returned an error was not
// made, unless the error matches storage.ErrUnknownOutcome or is the context's.
//
// No table commits beyond a published cut that it has neither pinned nor been
// excused from, so a run's snapshots are one consistent cut.
//
// Nothing blocks inside Receive: what takes time runs on a goroutine that its
// actor owns and waits for, and comes back as a message. Such messages carry the
// epoch of the actor's instance, so that a restarted one tells them apart.
package actors
