package harness_test

import (
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

// everything writes, backs up twice (so that retention has work), and restores.
var everything = harness.Scenario("everything", func(h *harness.Harness) {
	w := h.Workload("a", 1)
	w.Run(60)
	h.Backup()
	w.Run(20)
	h.Backup()
	if _, err := h.Hub().Compact(h.Context(), "a"); err != nil {
		panic(err)
	}
	w.Run(20)
}, harness.Tables("a", "b"), harness.Offline(), harness.Configure(func(c *app.Config) { c.Keep = 1 }))

// Whatever the moment: what was acknowledged is there, what the vault lists checks
// out, and the hub goes on.
func TestKilledAtEveryNamedStep(t *testing.T) {
	for _, step := range append(harness.Steps("a"),
		harness.CommitDurable("a", 40),
		harness.AtFile(harness.OpRename, "data/tables/a/table.json", 2, false),
		harness.AtFile(harness.OpRename, "data/tables/a/table.json", 3, false),
		harness.AtFile(harness.OpRename, "vault/runs/*.json", 1, false),
		harness.AtFile(harness.OpRename, "vault/runs/*.json", 2, true),
		harness.AtFile(harness.OpRemoveAll, "vault/tables/a/snapshots/*", 2, false),
		harness.AtFile(harness.OpRename, "vault/removals/*", 1, true),
		harness.AtFile(harness.OpRename, "data/clock", 1, false),
		harness.AtMessage("a", harness.Started, 1, false),
		harness.AtMessage("a", harness.Opened, 1, false),
	) {
		t.Run(step.Name, func(t *testing.T) {
			h := harness.Kill(t, everything, step)
			w := h.Workload("a", 1)
			w.Check()
			report, err := h.Hub().Verify(t.Context())
			require.NoError(t, err)
			require.Equal(t, app.StatusOK, report.Status, report.Problems)
			w.Run(20)
			healthyVault(t, h)
			w.Check()
		})
	}
}

func TestAScenarioThatIsNotKilledFails(t *testing.T) {
	require.Contains(t, failed(func(t harness.TB) {
		harness.Kill(t, everything, harness.CommitDurable("a", 100_000))
	}), "never came to step")
}
