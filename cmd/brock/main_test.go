package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/brockdb/brock/app/remote"
	"github.com/klauspost/compress/gzip"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"brock": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TMPDIR", e.WorkDir)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "realdata":
				_, err := os.Stat(realData())
				return err == nil, nil
			case "root":
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready":    cmdReady,
			"jsonis":   cmdJSONIs,
			"jsonset":  cmdJSONSet,
			"sortfile": cmdSortFile,
			"realdata": cmdRealData,
			"occupy":   cmdOccupy,
			"exits":    cmdExits,
			"unpack":   cmdUnpack,
			"schema":   cmdSchema,
			"appears":  cmdAppears,
			"certs":    cmdCerts,
			"private":  cmdPrivate,

			"kill9":      cmdKill9,
			"interrupt":  cmdInterrupt,
			"disappears": cmdDisappears,
		},
	})
}

// realData is the file of real input that lies beside the checkout, if it does.
func realData() string {
	path, _ := filepath.Abs("../../../shared/data/agenthub.jsonl.gz")
	return path
}

// cmdReady waits for the hub on the directory. It does not ask remote.Find, which
// takes the lock for a moment.
func cmdReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready dir")
	}
	dir := ts.MkAbs(args[0])
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(dir, "hub.json"))
		var p remote.Presence
		if err != nil || json.Unmarshal(b, &p) != nil {
			continue
		}
		conn, err := net.Dial("tcp", p.NATSURL[strings.Index(p.NATSURL, "://")+3:])
		if err != nil {
			continue // a killed hub left the file
		}
		_ = conn.Close()
		return
	}
	ts.Fatalf("no hub is ready on %s", dir)
}

// lookup follows a dotted path; len is a list's length.
func lookup(ts *testscript.TestScript, file, path string) string {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	d.UseNumber()
	var v any
	ts.Check(d.Decode(&v))
	for _, part := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			var ok bool
			if v, ok = x[part]; !ok {
				ts.Fatalf("%s: no field %q in %v", path, part, x)
			}
		case []any:
			if part == "len" {
				v = len(x)
				continue
			}
			i, err := strconv.Atoi(part)
			if err != nil || i >= len(x) {
				ts.Fatalf("%s: no element %q in %v", path, part, x)
			}
			v = x[i]
		default:
			ts.Fatalf("%s: nothing below %v", path, v)
		}
	}
	return fmt.Sprint(v)
}

// cmdJSONIs compares a field of a JSON file, or of stdout, with a text.
func cmdJSONIs(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: jsonis file path value")
	}
	if got := lookup(ts, args[0], args[1]); (got == args[2]) == neg {
		ts.Fatalf("%s is %q, want %q (negated: %v)", args[1], got, args[2], neg)
	}
}

// cmdJSONSet puts a field of a JSON file into a variable.
func cmdJSONSet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: jsonset VAR file path")
	}
	ts.Setenv(args[0], lookup(ts, args[1], args[2]))
}

// cmdSortFile sorts the lines of a file, or of stdout, into another file.
func cmdSortFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sortfile from to")
	}
	lines := strings.SplitAfter(strings.TrimSuffix(ts.ReadFile(args[0]), "\n")+"\n", "\n")
	slices.Sort(lines)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(lines, "")), 0o600))
}

// cmdRealData puts the path of the real input into $REALDATA.
func cmdRealData(ts *testscript.TestScript, _ bool, _ []string) { ts.Setenv("REALDATA", realData()) }

// cmdOccupy listens on a free port and puts its address into a variable.
func cmdOccupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy VAR")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// cmdExits runs a command and checks its exit code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command…")
	}
	code := 0
	var e *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &e) {
		code = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// cmdAppears waits until a file has a text.
func cmdAppears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: appears text file")
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if b, err := os.ReadFile(ts.MkAbs(args[1])); err == nil && strings.Contains(string(b), args[0]) {
			return
		}
	}
	ts.Fatalf("%q does not appear in %s", args[0], args[1])
}

// cmdKill9 kills the process that serves the directory.
func cmdKill9(ts *testscript.TestScript, neg bool, args []string) {
	signalServing(ts, neg, args, os.Kill)
}

// cmdInterrupt interrupts it.
func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	signalServing(ts, neg, args, os.Interrupt)
}

func signalServing(ts *testscript.TestScript, neg bool, args []string, s os.Signal) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: kill9 dir, interrupt dir")
	}
	var p remote.Presence
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(args[0], "hub.json"))), &p))
	process, err := os.FindProcess(p.PID)
	ts.Check(err)
	ts.Check(process.Signal(s))
	for s == os.Kill && process.Signal(syscall.Signal(0)) == nil { // until its watcher has taken note
		time.Sleep(time.Millisecond)
	}
}

// cmdDisappears waits until a file is gone.
func cmdDisappears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: disappears file")
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); errors.Is(err, os.ErrNotExist) {
			return
		}
	}
	ts.Fatalf("%s does not go away", args[0])
}

// cmdUnpack unpacks a gzip file.
func cmdUnpack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: unpack from to")
	}
	f, err := os.Open(args[0])
	ts.Check(err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	ts.Check(err)
	b, err := io.ReadAll(z)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}

// brock runs a command in this process.
func brock(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, strings.NewReader(stdin), &out, &errs, nil)
	return code, out.String(), errs.String()
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	for _, cmd := range (&cli{}).commands() {
		code, out, errs := brock(t, "", cmd.Name(), "--help")
		require.Equal(t, exitOK, code, errs)
		require.Contains(t, out, "Examples:", cmd.Name())
		require.NotEmpty(t, cmd.Short, cmd.Name())
		require.NotEmpty(t, cmd.GroupID, cmd.Name())
	}
}
