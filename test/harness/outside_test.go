package harness_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const outsideTest = `package outside

import (
	"testing"
	"time"

	"github.com/brockdb/brock/test/harness"
)

var work = harness.Scenario("work", func(h *harness.Harness) {
	h.Workload("orders", 1).Run(100)
}, harness.Tables("orders"), harness.Offline())

func TestMain(m *testing.M) { harness.Main(m) }

func TestOrders(t *testing.T) {
	h := harness.New(t, harness.Tables("orders"))
	h.Put("orders", "1", "paid")
	run := h.Backup()
	h.Expect(harness.Within(10*time.Second), harness.BackupComplete(run.ID), harness.Not(harness.BackupFailed("")))
	h.Stop()
	harness.Kill(t, work, harness.CommitDurable("orders", 20)).Workload("orders", 1).Check()
}
`

// A module of somebody else's, without a network, tests its code with the harness.
func TestTheHarnessServesOtherModules(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles a module of its own")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	own, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	_, requires, found := strings.Cut(string(own), "\n\n") // its versions, so that nothing has to be looked up
	require.True(t, found)
	mod := "module example.org/outside\n\n" + requires +
		"\nrequire github.com/brockdb/brock v0.0.0\n\nreplace github.com/brockdb/brock => " + root + "\n"
	for name, content := range map[string]string{"go.mod": mod, "go.sum": string(sums), "outside_test.go": outsideTest} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-timeout", "60s", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
