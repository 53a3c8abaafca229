package app_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/jonboulle/clockwork"
)

// Take a table back to its newest snapshot. What it replaces is kept.
func ExampleHub_Restore() {
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

	_, _ = jobs.Put(ctx, "job/1", job{Title: "dig"})
	if _, err := hub.Backup(ctx); err != nil {
		log.Fatal(err)
	}
	_, _ = jobs.Put(ctx, "job/1", job{Title: "oops"})
	out, err := hub.Restore(ctx, app.RestoreRequest{Tables: []string{"jobs"}})
	if err != nil || out.Status != app.StatusRestored {
		log.Fatal(err, out.Results)
	}
	back, _, err := jobs.Get(ctx, "job/1")
	fmt.Println(back.Title, err)
	fmt.Println("left out:", out.Results[0].LaterCommits, "commit")
	// Output:
	// dig <nil>
	// left out: 1 commit
}

// A drill restores the newest snapshots into a scratch place and compares them with
// what the tables knew about themselves: then they are proven.
func ExampleHub_Drill() {
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

	if _, err := hub.Backup(ctx); err != nil {
		log.Fatal(err)
	}
	report, err := hub.Drill(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, problem := range report.Problems {
		log.Print(problem.Table, ": ", problem.Problem)
	}
	fmt.Println(report.Status)
	for _, proof := range report.Proven {
		fmt.Println("proven:", proof.Table, proof.Records, "records")
	}
	// Output:
	// ok
	// proven: jobs 0 records
}

// With the schedule off, back up when it suits you: here after every third write.
func ExampleConfig_ownSchedule() {
	ctx := context.Background()
	data, err := os.MkdirTemp("", "brock-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(data)
	hub, err := app.Open(ctx, app.Config{Data: data, Tables: []string{"jobs"}, Schedule: "off", Keep: 10, Logger: quietly})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close(ctx)
	jobs, err := hub.Table("jobs")
	if err != nil {
		log.Fatal(err)
	}

	for i := 1; i <= 7; i++ {
		if _, err := jobs.Put(ctx, fmt.Append(nil, i), nil); err != nil {
			log.Fatal(err)
		}
		if i%3 == 0 {
			run, err := hub.Backup(ctx)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println("backed up", run.Results[0].Records, "records")
		}
	}
	// Output:
	// backed up 3 records
	// backed up 6 records
}

// A cron expression, judged by the hub's clock: every night at half past two.
func ExampleConfig_cron() {
	ctx := context.Background()
	data, err := os.MkdirTemp("", "brock-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(data)
	// A clock that the example moves; leave Wall out otherwise.
	clock := clockwork.NewFakeClockAt(time.Date(2030, 5, 1, 22, 0, 0, 0, time.UTC))
	hub, err := app.Open(ctx, app.Config{Data: data, Schedule: "30 2 * * *", Wall: clock, Logger: quietly})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close(ctx)

	events := hub.Events(ctx, time.Time{})
	_ = clock.BlockUntilContext(ctx, 1) // the schedule waits
	clock.Advance(5 * time.Hour)
	for event, err := range events {
		if err != nil {
			log.Fatal(err)
		}
		if event.Type == app.BackupComplete {
			run, err := app.Decode[app.Run](event)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(run.Trigger, run.Status)
			break
		}
	}
	// Output:
	// schedule complete
}
