package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Follow what happens. Events listens when it returns, so that nothing is missed; give
// it a time to begin with what has happened since.
func ExampleHub_Events() {
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

	events := hub.Events(ctx, time.Time{})
	if _, err := hub.Backup(ctx, "task_queue"); err != nil {
		log.Fatal(err)
	}
	for event, err := range events {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Type)
		if event.Type == app.BackupComplete {
			run, err := app.Decode[app.Run](event)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(run.TablesBackedUp)
			break
		}
	}
	// Output:
	// backup_started
	// backup_complete
	// [task_queue]
}

// Any NATS client can ask for a backup; the answer comes when it is done. A shell
// does the same with `nats request brock.hub.backup ""`.
func ExampleHub_NATSURL() {
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

	operator := hub.Credentials().Operator
	nc, err := nats.Connect(hub.NATSURL(), nats.UserInfo(operator.User, operator.Password))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	reply, err := nc.Request("brock.hub.backup", []byte(`{"tables": ["task_queue"]}`), time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	if problem := reply.Header.Get("Nats-Service-Error"); problem != "" {
		log.Fatal(problem)
	}
	var run app.Run
	if err := json.Unmarshal(reply.Data, &run); err != nil {
		log.Fatal(err)
	}
	fmt.Println(run.Trigger, run.Status, run.TablesBackedUp)
	// Output:
	// request complete [task_queue]
}

// Have subjects of your own on the embedded server: here any client with a credential
// may ask, and the program answers.
func ExampleHub_NATS() {
	ctx := context.Background()
	data, err := os.MkdirTemp("", "brock-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(data)
	hub, err := app.Open(ctx, app.Config{Data: data, Logger: quietly,
		Subjects: []app.Subject{{Name: "burrow.>", Publish: app.Viewer}}})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close(ctx)
	nc, err := hub.NATS()
	if err != nil {
		log.Fatal(err)
	}
	_, err = nc.Subscribe("burrow.greet", func(m *nats.Msg) { _ = m.Respond([]byte("hello, " + string(m.Data))) })
	if err != nil {
		log.Fatal(err)
	}
	if err := nc.Flush(); err != nil { // now the server knows
		log.Fatal(err)
	}

	viewer := hub.Credentials().Viewer // somebody elsewhere
	guest, err := nats.Connect(hub.NATSURL(), nats.UserInfo(viewer.User, viewer.Password))
	if err != nil {
		log.Fatal(err)
	}
	defer guest.Close()
	reply, err := guest.Request("burrow.greet", []byte("badger"), time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", reply.Data)
	// Output:
	// hello, badger
}

// Bring your own NATS connection: the hub serves its requests and publishes its
// events there, and who may ask what is up to your server. Give each hub on it a
// name of its own.
func ExampleConfig_ownNATS() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "brock-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT,
		JetStream: true, StoreDir: dir + "/nats", NoSigs: true}) // yours runs elsewhere
	if err != nil {
		log.Fatal(err)
	}
	ns.Start()
	defer ns.WaitForShutdown()
	defer ns.Shutdown()
	nc, err := nats.Connect(ns.ClientURL())
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close() // the hub does not

	hub, err := app.Open(ctx, app.Config{Data: dir + "/data", Name: "burrow", NATS: nc, Logger: quietly})
	if err != nil {
		log.Fatal(err)
	}
	defer hub.Close(ctx)
	reply, err := nc.Request("brock.burrow.list", nil, time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	var list app.Listing
	if err := json.Unmarshal(reply.Data, &list); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(list.Snapshots), "snapshots so far")
	// Output:
	// 0 snapshots so far
}
