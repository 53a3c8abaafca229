package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/stretchr/testify/require"
)

const (
	rules     = "../../contrib/prometheus/alerts.yaml"
	ruleTests = "../../contrib/prometheus/alerts_test.yaml"
	dashboard = "../../contrib/grafana/brock.json"
	page      = "../../docs/METRICS.md"
)

// promtool runs it, or skips the test.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool (Debian: apt-get install --no-install-recommends prometheus)")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "promtool %s:\n%s", strings.Join(args, " "), out)
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(b)
}

// busy is a hub to which everything has happened once that brings a metric along.
func busy(t *testing.T) *app.Hub {
	t.Helper()
	h := harness.New(t, harness.Tables("a", "b"), harness.Schedule("@daily"))
	h.Put("a", "k", "v")
	h.Backup()
	_, err := h.Hub().Drill(t.Context())
	require.NoError(t, err)
	return h.Hub()
}

func TestPromtoolFindsNothingWrongWithAScrape(t *testing.T) {
	promtool(t, scrape(t, busy(t)), "check", "metrics")
}

func TestPromtoolFindsNothingWrongWithTheRules(t *testing.T) {
	promtool(t, "", "check", "rules", rules)
	promtool(t, "", "test", "rules", ruleTests)
}

// panels returns the queries of the dashboard, its variables filled in.
func panels(t *testing.T) (queries []string) {
	t.Helper()
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, dashboard)), &d))
	fill := strings.NewReplacer("$__rate_interval", "5m", "$instance", "x", "$job", "brock")
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			require.NotEmpty(t, q.Expr, p.Title)
			queries = append(queries, fill.Replace(q.Expr))
		}
	}
	require.NotEmpty(t, queries)
	return queries
}

// The dashboard's queries are checked as if they were rules.
func TestPromtoolFindsNothingWrongWithTheDashboard(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, q := range panels(t) {
		require.NotContains(t, q, "$", "a variable that is not known")
		fmt.Fprintf(&b, "  - record: panel:%d\n    expr: %q\n", i, q)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yaml")
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o600))
	promtool(t, "", "check", "rules", file)
}

var (
	metricName = regexp.MustCompile(`\bbrock_[a-z_]+`)
	familyLine = regexp.MustCompile(`(?m)^# TYPE (brock_[a-z_]+) (\w+)$`)
)

// Every metric that the dashboard, the rules and the page about them name is in a
// scrape, and the page names every one.
func TestWhatIsUsedIsThere(t *testing.T) {
	there, told := map[string]bool{}, read(t, page)
	for _, m := range familyLine.FindAllStringSubmatch(scrape(t, busy(t)), -1) {
		there[m[1]] = true
		require.Contains(t, told, "`"+m[1]+"`", "the page does not have it")
		if m[2] == "histogram" {
			there[m[1]+"_bucket"], there[m[1]+"_count"], there[m[1]+"_sum"] = true, true, true
		}
	}
	require.Greater(t, len(there), 30)
	for _, source := range []string{rules, ruleTests, dashboard, page} {
		names := metricName.FindAllString(read(t, source), -1)
		require.NotEmpty(t, names)
		for _, name := range names {
			require.True(t, there[name], "%s is in no scrape", name)
		}
	}
}

// Each alert has a test that makes it fire.
func TestEveryAlertIsTested(t *testing.T) {
	tests := read(t, ruleTests)
	alerts := regexp.MustCompile(`(?m)^\s+- alert: (\w+)$`).FindAllStringSubmatch(read(t, rules), -1)
	require.NotEmpty(t, alerts)
	for _, a := range alerts {
		fires := regexp.MustCompile(`alertname="` + a[1] + `", alertstate="firing"|alertname: ` + a[1] + `\n(.*\n)? *exp_alerts:\n`)
		require.Regexp(t, fires, tests, "%s", a[1])
	}
}
