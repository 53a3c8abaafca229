// Package app is a hub: durable tables, consistent backups, and proof that they
// restore, in one Go process.
//
//	hub, err := app.Open(ctx, app.Config{Data: "data"})
//	tasks, err := hub.Table("task_queue")
//	version, err := tasks.Put(ctx, []byte("task-1"), []byte(`{"status":"queued"}`))
//	run, err := hub.Backup(ctx)
//	err = hub.Close(ctx)
//
// A write that returned nil is durable. A backup is one consistent cut over its
// tables. What the vault lists is complete, and a drill proves that it restores.
package app
