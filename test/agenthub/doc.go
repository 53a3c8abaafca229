// Package agenthub is a small agent hub on Brock, an example to copy from. Its agents ask
// it over NATS:
//
//	agents.task.submit      {"kind", "payload"}                   a task
//	agents.task.take        {"agent"}                             a task with its token, or 404
//	agents.task.finish      {"id", "token", "result" or "error"}  the task, or 409: not yours any more
//	agents.mail.send        {"from", "to", "body"}                the message with its number
//	agents.mail.read        {"agent", "done": [1, 2]}             what waits; what is done is removed
//	agents.channel.post     {"from", "to", "body"}                the message with its number
//	agents.channel.history  {"channel", "after"}                  100 messages after that number
//
// Nothing is kept in memory: a hub that is killed goes on where it was. A task's token
// is the version that taking it wrote; finishing fails when its record has another one. A
// batch is atomic within one table; where two take part, see Hub.bury.
package agenthub
