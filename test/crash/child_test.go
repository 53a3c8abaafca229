package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/test/harness"
	"github.com/jonboulle/clockwork"
)

// order is what a child gets told.
type order struct {
	Dir   string
	Work  work
	Seed  uint64
	Step  *harness.Step // at which it dies; nil: it is killed from outside
	Start bool          // the step is in its start
	Fresh bool          // the directory was empty, so there may be no ballast
}

// child is the hub that is killed. It begins with a look at what the one before left.
// All that it says goes to the parent, at once.
type child struct {
	order order
	t     harness.TB
	h     *harness.Harness
	ctx   context.Context
	have  map[string]int // what each writer has written
	out   sync.Mutex
}

// runChild returns the exit code of a child that was not killed.
func runChild(told string) int {
	c := &child{have: map[string]int{}}
	if err := json.Unmarshal([]byte(told), &c.order); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := harness.Script("crash", c.run); err != nil {
		c.say("problem", "it", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
	return 0
}

// hub makes the harness around the hub of the order.
func (o order) hub(t harness.TB, opts ...harness.Option) *harness.Harness {
	return harness.New(t, append(opts, harness.InDir(o.Dir), harness.Configure(func(a *app.Config) {
		a.Wall = clockwork.NewRealClock()
		o.Work.configure(a)
	}))...)
}

func (c *child) run(t harness.TB) {
	c.t, c.ctx = t, t.Context()
	c.h = c.order.hub(t, harness.Stopped())
	if c.order.Start {
		c.arm()
	}
	left := leftovers(c.order.Dir)
	c.h.Start()
	if c.order.Work == healing {
		c.h.AwaitServing("files")
	}
	c.check()
	left.gone(t)
	if t.Failed() { // before it dies
		t.Fatalf("what was left is not as it must be")
	}
	c.say("checked")
	if !c.order.Start {
		c.arm()
	}
	c.begin()
}

func (c *child) arm() {
	if c.order.Step != nil {
		c.h.KillAt(*c.order.Step, func() { c.say("dying") })
	}
}

// say writes a line at once, so that it outlives the process.
func (c *child) say(words ...any) {
	c.out.Lock()
	defer c.out.Unlock()
	_, _ = os.Stdout.WriteString(fmt.Sprintln(words...))
}

// must ends the child where what it does fails.
func (c *child) must(_ any, err error) {
	if err != nil {
		c.t.Fatalf("%v: %v", c.order.Work, err)
	}
}

// hasty settles opens a thousand times as soon: a hub that has served for two seconds
// is no suspect any more.
type hasty struct{ clockwork.Clock }

func (c hasty) AfterFunc(d time.Duration, f func()) clockwork.Timer {
	return c.Clock.AfterFunc(d/1000, f)
}

// writers begins to write, each writer at its pace, and not without end.
func (c *child) writers(pace time.Duration) {
	mine := c.have
	c.have = map[string]int{"rolled/0": mine["rolled/0"], "files/0": mine["files/0"]} // of the work
	for _, w := range []struct{ name, table, then string }{
		{"a/0", "a", ""}, {"a/1", "a", ""}, {"a/2", "a", ""}, {"b/0", "b", ""}, {"pair", "a", "b"},
	} {
		go func() {
			n := mine[w.name]
			if w.then != "" {
				n = c.begun(mine)
			}
			for range 3000 {
				n++
				if !c.put(w.name, w.table, n) || w.then != "" && !c.put(w.name, w.then, n) {
					return
				}
				if pace > 0 {
					<-time.After(pace)
				}
			}
		}()
	}
}

// begun is how many batches the pair has written in both tables. Where it was killed
// between the two, the second one is written now.
func (c *child) begun(have map[string]int) int {
	n := have["a:pair"]
	if n > have["b:pair"] {
		c.put("pair", "b", n)
	}
	return n
}

// put writes a writer's nth batch into the table.
func (c *child) put(writer, table string, n int) bool {
	t, err := c.h.Hub().Table(table)
	name := id(table, writer)
	c.say("try", name, n)
	if err == nil {
		_, err = t.Apply(c.ctx, batch(writer, n))
	}
	if err != nil {
		c.say("problem", name, err)
		return false
	}
	c.say("ack", name, n)
	return true
}

// write writes the next batch of a writer that only the work has.
func (c *child) write(writer, table string) {
	c.have[writer]++
	c.put(writer, table, c.have[writer])
}

// id is how a writer in a table is called outside. The pair writes the same into two.
func id(table, writer string) string {
	if writer == "pair" {
		return table + ":pair"
	}
	return writer
}

// files that were unfinished when a start began.
type unfinished map[string]os.FileInfo

func leftovers(dir string) unfinished {
	u := unfinished{}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".tmp-") && !strings.Contains(path, "jetstream") {
			if info, err := d.Info(); err == nil {
				u[path] = info
			}
		}
		return nil
	})
	return u
}

// gone fails the child where one of them is still there.
func (u unfinished) gone(t harness.TB) {
	for path, then := range u {
		now, err := os.Stat(path)
		if err == nil && os.SameFile(now, then) && now.ModTime().Equal(then.ModTime()) && now.Size() == then.Size() {
			t.Errorf("left over: %s", path)
		}
	}
}
