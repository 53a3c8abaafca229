package harness

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// FileRule says what becomes of file operations; its last call puts it in force.
type FileRule struct {
	fs   *FaultFS
	kind OpKind
	path *regexp.Regexp
	nth  int
	byte int64
	skip func(FileOp) bool
}

// AnyChange, for [FaultFS.On], is every kind of operation that a read-only file
// system refuses.
const AnyChange OpKind = ""

// On begins a rule for operations of the kind on files that the pattern matches.
// It matches the whole path below the harness's directory or its end from a slash
// on; * is any text, also with slashes. A rename matches with either name.
func (f *FaultFS) On(kind OpKind, pattern string) *FileRule {
	expr := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`)
	return &FileRule{fs: f, kind: kind, path: regexp.MustCompile(`^(.*/)?` + expr + `$`), byte: -1}
}

// Nth narrows the rule to the nth such operation from now on, counted from 1.
func (r *FileRule) Nth(n int) *FileRule { c := *r; c.nth = n; return &c }

// AtByte narrows the rule to reads and writes that touch the byte of their file.
// A write is torn there: what comes before the byte is written.
func (r *FileRule) AtByte(n int64) *FileRule { c := *r; c.byte = n; return &c }

// Fail makes the operations fail with the error.
func (r *FileRule) Fail(err error) *FileFault { return r.arm(&FileFault{err: err}) }

// Hold makes the operations wait until the fault is lifted or the hub stopped.
func (r *FileRule) Hold() *FileFault { return r.arm(&FileFault{gate: make(chan struct{})}) }

// then calls f before or after the operation.
func (r *FileRule) then(f func(), after bool) *FileFault {
	if after {
		return r.arm(&FileFault{after: f})
	}
	return r.arm(&FileFault{call: f})
}

func (r *FileRule) arm(fault *FileFault) *FileFault {
	fault.FileRule = *r
	r.fs.mu.Lock()
	defer r.fs.mu.Unlock()
	r.fs.faults = append(r.fs.faults, fault)
	return fault
}

func (r *FileRule) matches(op FileOp) bool {
	if r.kind != op.Kind && (r.kind != AnyChange || !op.Kind.changes()) {
		return false
	}
	if r.byte >= 0 && (op.Offset > r.byte || op.Offset+int64(op.Size) <= r.byte) {
		return false
	}
	if r.skip != nil && r.skip(op) {
		return false
	}
	return r.path.MatchString(op.Path) || op.To != "" && r.path.MatchString(op.To)
}

// FileFault is a [FileRule] in force.
type FileFault struct {
	FileRule
	err   error
	gate  chan struct{} // closed when lifted; nil unless it holds
	call  func()
	after func()

	came int
	hits int
	gone bool
}

// meet returns the faults that the operation meets.
func (f *FaultFS) meet(op FileOp) []*FileFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	var met []*FileFault
	for _, fault := range f.faults {
		if !fault.matches(op) {
			continue
		}
		fault.came++
		if fault.nth == 0 || fault.nth == fault.came {
			fault.hits++
			met = append(met, fault)
		}
	}
	if met != nil {
		close(f.more)
		f.more = make(chan struct{})
	}
	return met
}

// tear returns how many bytes of the write come before the first byte that a fault
// waits for.
func (f *FaultFS) tear(op FileOp) int {
	op.Path = f.relative(op.Path)
	f.mu.Lock()
	defer f.mu.Unlock()
	head := 0
	for _, fault := range f.faults {
		if fault.byte > op.Offset && fault.matches(op) {
			if n := int(fault.byte - op.Offset); head == 0 || n < head {
				head = n
			}
		}
	}
	return head
}

func (f *FileFault) before() error {
	if f.gate != nil {
		<-f.gate
	}
	if f.call != nil {
		f.call()
	}
	return f.err
}

func (f *FileFault) behind() {
	if f.after != nil {
		f.after()
	}
}

// Hits returns how many operations it has met.
func (f *FileFault) Hits() int {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return f.hits
}

// Wait waits until it has met an operation.
func (f *FileFault) Wait() {
	f.fs.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		f.fs.mu.Lock()
		hits, more := f.hits, f.fs.more
		f.fs.mu.Unlock()
		if hits > 0 {
			return
		}
		select {
		case <-more:
		case <-timeout.C:
			f.fs.t.Fatalf("harness: no %s of %s came", f.kind, f.path)
		}
	}
}

// Lift ends the fault. What it held goes on.
func (f *FileFault) Lift() {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.gone {
		return
	}
	f.gone = true
	f.fs.faults = slices.DeleteFunc(f.fs.faults, func(o *FileFault) bool { return o == f })
	if f.gate != nil {
		close(f.gate)
	}
}

// releaseAll lifts the faults that hold operations.
func (f *FaultFS) releaseAll() {
	f.mu.Lock()
	faults := slices.Clone(f.faults)
	f.mu.Unlock()
	for _, fault := range faults {
		if fault.gate != nil {
			fault.Lift()
		}
	}
}
