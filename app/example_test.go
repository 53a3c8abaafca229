package app_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"

	"github.com/brockdb/brock/app"
)

// A job is what the examples keep in their tables.
type job struct {
	Title string `json:"title"`
	Owner string `json:"owner,omitempty"`
}

// quietly keeps the examples' output short; leave it out to hear slog.Default.
var quietly = slog.New(slog.DiscardHandler)

// Open a hub, write, read, back up, close. The zero Config needs only a directory.
func Example() {
	ctx := context.Background()
	data, err := os.MkdirTemp("", "brock-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(data)
	hub, err := app.Open(ctx, app.Config{Data: data, Logger: quietly})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close(ctx)

	queue, err := hub.Table("task_queue")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := queue.Put(ctx, []byte("task-1"), []byte("dig")); err != nil {
		log.Fatal(err) // nil says that the write is on the disk
	}
	record, err := queue.Get(ctx, []byte("task-1"))
	if err != nil {
		log.Fatal(err)
	}
	run, err := hub.Backup(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", record.Key, record.Value)
	fmt.Printf("backup %s, %d tables\n", run.Status, run.TablesSuccess)
	// Output:
	// task-1: dig
	// backup complete, 9 tables
}

// A typed table has string keys and any Go type as JSON.
func ExampleJSON() {
	ctx := context.Background()
	data, err := os.MkdirTemp("", "brock-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(data)
	hub, err := app.Open(ctx, app.Config{Data: data, Tables: []string{"jobs"}, Logger: quietly})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close(ctx)

	table, err := hub.Table("jobs")
	if err != nil {
		log.Fatal(err)
	}
	jobs := app.JSON[job](table)
	for i, title := range []string{"dig", "fetch", "sleep"} {
		if _, err := jobs.Put(ctx, fmt.Sprintf("job/%d", i), job{Title: title}); err != nil {
			log.Fatal(err)
		}
	}
	for row, err := range jobs.Scan(ctx, app.Range{Prefix: []byte("job/"), Limit: 2}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(row.Key, row.Value.Title)
	}
	// Output:
	// job/0 dig
	// job/1 fetch
}
