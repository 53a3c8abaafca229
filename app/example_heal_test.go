package app_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/brockdb/brock/app"
)

// Tell callers of a table that heals to come again, and people what became of it.
func ExampleHealPolicy() {
	ctx := context.Background()
	hub, err := app.Open(ctx, app.Config{Data: "data", Tables: []string{"jobs"}, Heal: app.HealAuto})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close(ctx)
	events := hub.Events(ctx, time.Time{})

	jobs, err := hub.Table("jobs")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := jobs.Get(ctx, []byte("job-1")); errors.Is(err, app.ErrQuarantined) {
		fmt.Println("try again in a moment:", err)
	}
	for event, err := range events {
		if err != nil {
			log.Fatal(err)
		}
		if event.Type == app.RecoveryComplete {
			got, err := app.Decode[app.RestoredTable](event)
			fmt.Println(got.Table, "has its", got.Records, "records again; missing:", got.Missing, err)
		}
	}
}
