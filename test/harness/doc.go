// Package harness tests code that works with Brock, and Brock itself: a real hub
// in a temporary directory, with faults on demand, and expectations that wait for
// events and never sleep.
//
//	func TestNightlyBackup(t *testing.T) {
//		h := harness.New(t, harness.Tables("orders"), harness.Schedule("@daily"),
//			harness.FakeClock(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)))
//		h.Put("orders", "1", "paid")
//		h.Advance(25 * time.Hour)
//		h.Expect(harness.Within(5*time.Second),
//			harness.BackupComplete("").With("trigger", "schedule"),
//			harness.Not(harness.BackupFailed("")))
//	}
//
// # What there is
//
// [New] opens a hub, closes it at the end of the test, and looks for goroutines and
// files that outlive it. The hub's log is shown when the test fails.
// [Harness.Restart] closes and opens it; faults stay in force over that.
//
// [Harness.Expect] waits for typed events, in order, and for none that [Not] names.
//
// [FakeClock] gives the hub a clock that only [Harness.Advance] moves: it drives
// the schedule, expiry and versions.
//
// A [Probe] stands at an actor's mailbox. It records what the actor gets, and makes
// messages be lost, refused, held, repeated, or the actor crash on them.
//
// [FaultFS] is under all that Brock itself writes: operations fail, are torn at a
// byte, or wait.
//
// [Workload] writes what a seed makes up and checks the table against its model.
//
// [Kill] runs a [Scenario] in a process of its own, ends it at a [Step] as kill -9
// would, and opens the hub on what is left.
//
// # Faults on demand
//
//	flush fails                 h.TableProbe(t).On(harness.Flush).Refuse(err)
//	flush hangs                 h.TableProbe(t).On(harness.Flush).Drop(), with [PinWithin]
//	copy is slow                h.FS.On(harness.OpWrite, "*.frames*").Hold()
//	copy fails at byte n        h.FS.On(harness.OpWrite, "*.frames*").AtByte(n).Fail(err)
//	table panics on message n   h.TableProbe(t).On(m).Nth(n).Panic()
//	table store missing         h.LoseTable(t), while the hub is stopped
//	table store damaged         h.Damage(t, text)
//	disk full                   h.DiskFull()
//	vault read-only             h.VaultReadOnly()
//	NATS stopped                h.StopNATS(), h.StartNATS()
//	slow subscriber             h.SlowSubscriber()
//	duplicate reply             h.TableProbe(t).On(harness.Committed).Twice()
//	late reply                  h.TableProbe(t).On(harness.Committed).Hold(), or Replay
//	process killed              harness.Kill(t, scenario, step)
//
// Waits that nothing bounds end after half a minute and fail the test. That is the
// only thing time decides here.
package harness
