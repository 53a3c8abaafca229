// Package agenthub is a small agent hub on Brock, kept as an example. Agents are
// programs that ask it over NATS; all that it knows lies in Brock tables. Read hub.go,
// tasks.go (leases, fencing, retries, dead letters), messages.go (mailboxes, channels)
// and serve.go, and copy what you need. The requests:
//
//	agents.task.submit      {"kind", "payload"}                   a task
//	agents.task.take        {"agent"}                             a task with its token, or 404
//	agents.task.finish      {"id", "token", "result" or "error"}  the task, or 409: not yours any more
//	agents.mail.send        {"from", "to", "body"}                the message with its number
//	agents.mail.read        {"agent", "done": [1, 2]}             what waits; what is done is removed
//	agents.channel.post     {"from", "to", "body"}                the message with its number
//	agents.channel.history  {"channel", "after"}                  100 messages after that number
//
// Nothing is kept in memory: a hub that is killed goes on where it was. The version of
// a record is the fence: a task's token is the version that taking it wrote, and it is
// finished on the condition that its record still has that version, so an agent that
// was too slow overwrites nothing. The generation, a counter, would not do: a restore
// sets it back, and versions never go back. A batch is atomic within one table; where
// two take part, one decides and the other's write may be repeated (see Hub.bury). A
// backup is one cut over all tables: restore together what belongs together.
package agenthub
