package soak

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// window takes in the process's own figures, and adds what it looks like from outside.
func (s *soak) window(w window, routines int) {
	proc := filepath.Join("/proc", fmt.Sprint(s.cmd.Process.Pid))
	w.Routines, w.Disturbed = routines, s.disturbed
	w.Worked, s.worked, s.disturbed = s.worked, map[string]bool{}, false
	for name := range s.busy {
		s.worked[name] = true
	}
	status, _ := os.ReadFile(filepath.Join(proc, "status")) // elsewhere than on Linux the figures are 0
	for l := range strings.Lines(string(status)) {
		var kb int64
		if n, _ := fmt.Sscanf(l, "VmRSS: %d kB", &kb); n == 1 {
			w.Resident = kb << 10
		}
		if n, _ := fmt.Sscanf(l, "RssAnon: %d kB", &kb); n == 1 {
			w.Anonymous = kb << 10
		}
	}
	fds, _ := os.ReadDir(filepath.Join(proc, "fd"))
	w.Descriptors = len(fds)
	s.windows = append(s.windows, w)
	s.phases[len(s.phases)-1].took.add(w.Took)
}

// during returns the windows of a phase.
func (s *soak) during(p phase) (out []window) {
	for _, w := range s.windows {
		if w.At.After(p.from) && !w.At.After(p.to.Add(time.Second)) {
			out = append(out, w)
		}
	}
	return out
}
