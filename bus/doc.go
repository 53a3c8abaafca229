// Package bus carries what a hub says and what it is asked. It runs the
// embedded NATS server, publishes events and progress, answers requests as a
// NATS micro service, and has the client that the brock command uses. It is
// the only package that knows NATS; no bytes and no NATS types leave it except
// the connection that an embedder may bring along or ask for.
//
// # Words
//
// An event is a final fact about a run, a table or the vault (subject
// "backups"). Progress is a hint about work under way ("backups.progress").
// A request is a question with one answer ("brock.<hub>.<endpoint>").
//
// # Guarantees
//
// Order. Events reach the stream in the order in which [Bus.Publish] returned.
// A subscriber sees them in that order. Progress is ordered per publisher, with
// holes. Nothing is promised between events and progress.
//
// Loss. Once Publish has returned nil, the event is on disk, fsynced, and is
// delivered even if NATS is down or the process is killed. It is lost only when
// more than the outbox limit wait (the oldest go, counted in [Status.Dropped]
// and logged), when its file is damaged (set aside, counted in
// [Status.Damaged]), or when the server refuses it for ever, such as one that
// is too large (set aside, counted in [Status.Rejected]). Progress is best
// effort: it is dropped when NATS is away or slow.
//
// Once. An event is in the stream BACKUPS once, whatever was killed or
// retried: its id is the Nats-Msg-Id, the newest message of the stream is
// compared before anything in doubt is sent again, and the last acknowledged
// one is remembered on disk. Where several hubs write into one stream, the
// comparison may see another hub's message, and once-ness then lasts as long
// as the stream's duplicate window (24 hours or its retention, if shorter).
// Without JetStream an event in doubt is sent again; [Subscription]s of this
// package leave out ids that they have just delivered.
//
// Slow subscribers. Nobody ever waits for a subscriber. One that reads the
// stream has its backlog kept by the server and loses only what retention
// removes; one on a plain subject loses the oldest of its buffer. Both are
// told: [Subscription.Dropped] counts, [Subscription.Next] returns a
// [LostError] once for each hole.
//
// Requests. Every request that arrives with a reply subject is answered exactly
// once: by its handler, or with an [Error] when too many wait, the handler
// panics, or the service stops. A client that goes away cancels nothing.
//
// Outages. Connections to the embedded server come back by themselves after
// [Server.Restart]; subscriptions on the stream go on where they were.
package bus
