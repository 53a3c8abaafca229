package harness_test

import (
	"fmt"
	"time"

	"github.com/brockdb/brock/test/harness"
)

// In a test, t is the *testing.T; Script stands in for it here.
func Example() {
	err := harness.Script("example", func(t harness.TB) {
		h := harness.New(t, harness.Tables("orders", "invoices"))
		h.Put("orders", "1", "paid")

		// The table cannot pin: the run is partial, and says so.
		fault := h.TableProbe("orders").On(harness.Flush).Refuse(fmt.Errorf("no pin today"))
		run, err := h.Hub().Backup(t.Context())
		fmt.Println(run.Status, run.TablesFailed, err != nil)
		h.Expect(harness.Within(5*time.Second),
			harness.BackupComplete(run.ID).With("status", "partial"),
			harness.Not(harness.BackupFailed("")))

		// Without the fault all is well, also after a restart.
		fault.Lift()
		h.Restart()
		fmt.Println(h.Backup().Status, h.Get("orders", "1"))
	})
	fmt.Println(err)
	// Output:
	// partial [orders] true
	// complete paid
	// <nil>
}

// A fake clock makes days pass at once.
func ExampleFakeClock() {
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	err := harness.Script("example", func(t harness.TB) {
		h := harness.New(t, harness.Tables("sessions"), harness.FakeClock(start), harness.Schedule("@every 24h"))
		if _, err := h.Table("sessions").PutUntil(t.Context(), []byte("ann"), []byte("token"), start.Add(time.Hour)); err != nil {
			t.Fatalf("%v", err)
		}
		fmt.Printf("%q\n", h.Get("sessions", "ann"))
		h.Advance(time.Hour)
		fmt.Printf("%q\n", h.Get("sessions", "ann"))
		h.Advance(24 * time.Hour)
		e := h.Expect(harness.BackupComplete("").With("trigger", "schedule"))
		fmt.Println(e.Time())
	})
	fmt.Println(err)
	// Output:
	// "token"
	// ""
	// 2026-11-23 13:00:00 +0000 UTC
	// <nil>
}

// A workload writes what a seed makes up, and knows what the table must then hold.
func ExampleWorkload() {
	err := harness.Script("example", func(t harness.TB) {
		h := harness.New(t, harness.Tables("orders"), harness.Offline())
		w := h.Workload("orders", 42)
		w.Run(100)
		free := h.DiskFull()
		fmt.Println(w.Run(10), "acknowledged on a full disk")
		free()
		w.Run(100)
		w.Check()
	})
	fmt.Println(err)
	// Output:
	// 0 acknowledged on a full disk
	// <nil>
}
