package harness

import (
	"os"
	"path/filepath"
	"strings"

	"go.uber.org/goleak"
)

// leaks knows what ran before a hub was opened.
type leaks struct {
	dir    string
	before goleak.Option
}

func watchLeaks(dir string) leaks { return leaks{dir: dir, before: goleak.IgnoreCurrent()} }

// check reports goroutines that outlive the hub, and files of its directory that
// are still open. goleak waits a little for goroutines that are about to end.
func (l leaks) check(t TB, goroutines bool) {
	t.Helper()
	if goroutines {
		daemon := goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon")
		if err := goleak.Find(l.before, daemon); err != nil {
			t.Errorf("harness: goroutines outlive the hub: %v", err)
		}
	}
	for _, name := range openFiles(l.dir) {
		t.Errorf("harness: still open: %s", name)
	}
}

// openFiles returns this process's open files below dir; none where the system
// does not tell (/proc/self/fd).
func openFiles(dir string) []string {
	const fds = "/proc/self/fd"
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	entries, err := os.ReadDir(fds)
	if err != nil {
		return nil
	}
	var open []string
	for _, e := range entries {
		name, err := os.Readlink(filepath.Join(fds, e.Name()))
		if err == nil && strings.HasPrefix(name, dir+string(filepath.Separator)) {
			open = append(open, name)
		}
	}
	return open
}
