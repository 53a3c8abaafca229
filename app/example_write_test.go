package app_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/jonboulle/clockwork"
)

// The version of a record is a fence: of two workers that read the same job, one
// gets it, and the other is told.
func ExampleJSONTable_Replace() {
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

	seen, err := jobs.Create(ctx, "job/1", job{Title: "dig"}) // ErrConflict if it is there
	if err != nil {
		log.Fatal(err)
	}
	for _, worker := range []string{"ann", "bob"} {
		_, err := jobs.Replace(ctx, "job/1", job{Title: "dig", Owner: worker}, seen)
		switch {
		case errors.Is(err, app.ErrConflict):
			fmt.Println(worker, "was too late")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(worker, "has the job")
		}
	}
	// Output:
	// ann has the job
	// bob was too late
}

// A record that expires is invisible from that moment on, and removed later.
func ExampleTable_PutUntil() {
	ctx := context.Background()
	data, err := os.MkdirTemp("", "brock-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(data)
	clock := clockwork.NewFakeClockAt(time.Now()) // so that nobody has to wait; leave Wall out otherwise
	hub, err := app.Open(ctx, app.Config{Data: data, Tables: []string{"leases"}, Wall: clock, Logger: quietly})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close(ctx)
	leases, err := hub.Table("leases")
	if err != nil {
		log.Fatal(err)
	}

	_, err = leases.PutUntil(ctx, []byte("job/1"), []byte("ann"), clock.Now().Add(time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	_, err = leases.Get(ctx, []byte("job/1"))
	fmt.Println("at once:", err)
	clock.Advance(time.Minute)
	_, err = leases.Get(ctx, []byte("job/1"))
	fmt.Println("a minute later:", errors.Is(err, app.ErrNotFound))
	_, err = leases.Create(ctx, []byte("job/1"), []byte("bob"))
	fmt.Println("free for the next:", err)
	// Output:
	// at once: <nil>
	// a minute later: true
	// free for the next: <nil>
}

// Update reads, changes and writes; of several at once, each sees what the one before
// it wrote.
func ExampleJSONTable_Update() {
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

	for _, owner := range []string{"ann", "bob"} {
		_, err := jobs.Update(ctx, "job/1", func(row *app.Row[job]) error {
			if row.Version == 0 { // there is none yet
				row.Value.Title = "dig"
			}
			row.Value.Owner += owner + " "
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	value, _, err := jobs.Get(ctx, "job/1")
	fmt.Println(value.Title, "by", value.Owner, err)
	// Output:
	// dig by ann bob  <nil>
}
