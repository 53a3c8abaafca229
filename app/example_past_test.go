package app_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/brockdb/brock/app"
)

// Look at a table as it was; a moment is a time, "10m ago", or a version as here.
func ExampleHub_TableAt() {
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

	jobs, err := hub.Table("jobs")
	if err != nil {
		log.Fatal(err)
	}
	good, err := jobs.Put(ctx, []byte("job-1"), []byte("dig"))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := jobs.Delete(ctx, []byte("job-1")); err != nil { // as a bad deploy would
		log.Fatal(err)
	}
	past, err := hub.TableAt(ctx, "jobs", fmt.Sprint(good))
	if err != nil {
		log.Fatal(err)
	}
	defer past.Close()
	for record, err := range past.Scan(ctx, app.Range{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", record.Key, record.Value)
	}
	// Output:
	// job-1: dig
}
