package crash

import (
	"time"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/vault"
)

// work is what a hub does until it is killed. Beside it writers write.
type work string

const (
	writing     work = "write"
	shipping    work = "ship the change log"
	merging     work = "merge the change log"
	backups     work = "back up"
	files       work = "back up a table's files"
	chains      work = "back up what has changed"
	drills      work = "drill"
	restores    work = "restore"
	compactions work = "compact"
	healing     work = "heal"  // a table that was damaged before
	closing     work = "close" // after a look at everything
)

// never is what a limit is set to that shall not be reached.
const never = 1 << 40

var tables = []string{"a", "b", "files", "rolled"}

// configure makes all that the work does happen to small tables, and soon.
func (w work) configure(c *app.Config) {
	c.Tables, c.Keep, c.LogWindow, c.LogInterval = tables, 1, 20*time.Millisecond, 20*time.Millisecond
	c.ScrubEvery, c.DrillEvery, c.Offline = -1, -1, w != healing
	c.Wall = hasty{c.Wall}
	chainMin, fanout := int64(never), never
	switch w {
	case shipping:
		c.LogInterval = 2 * time.Millisecond
	case merging:
		c.LogInterval, fanout = 2*time.Millisecond, 2
	case chains:
		chainMin = 64 << 10
	}
	c.Hooks.Vault = func(o *vault.Options) { o.ImageMin, o.ChainMin = 64<<10, chainMin }
	c.Hooks.Log = func(s *changelog.ShipperConfig) { s.Merge.Fanout = fanout }
}

// begin starts the writers, and does the work.
func (c *child) begin() {
	switch c.order.Work {
	case healing:
		c.healed()
		return
	case closing:
		c.closing()
		return
	case writing:
		c.writers(0)
	case chains:
	default:
		c.writers(2 * time.Millisecond)
	}
	for i := 0; ; i++ {
		c.once(i)
	}
}

// once does the work once.
func (c *child) once(i int) {
	switch c.order.Work {
	case backups:
		c.backup([][]string{nil, {"b"}, {"a", "files"}}[i%3]...)
		if i%8 == 7 { // a snapshot that was proven long ago would hold back the log for ever
			c.must(c.h.Hub().Drill(c.ctx))
			c.say("swap")
		}
	case files:
		c.write("files/0", "files") // else compaction would write the same file again
		c.compact("files")
		c.backup("files")
	case chains:
		c.write("files/0", "files")
		c.backup("files")
	case drills:
		c.backup([]string{"a", "files"}[i%2])
		c.must(c.h.Hub().Drill(c.ctx))
		c.say("swap")
	case restores:
		c.restore(i)
	case compactions:
		c.compact("b")
	default:
		select {} // the writers are all there is
	}
}

func (c *child) backup(names ...string) {
	rolled := len(names) == 0 || names[0] == "rolled"
	if rolled {
		c.say("backing", "rolled/0", c.have["rolled/0"])
	}
	c.must(c.h.Hub().Backup(c.ctx, names...))
	c.say("backup")
	if rolled {
		c.say("backed", "rolled/0", c.have["rolled/0"])
	}
}

func (c *child) compact(name string) {
	c.must(c.h.Hub().Compact(c.ctx, name))
	c.say("swap")
}

// restore takes "rolled", which nobody else writes, back to its newest snapshot, or to
// all that was acknowledged.
func (c *child) restore(i int) {
	if (c.order.Seed+uint64(i))%2 == 0 {
		c.backup("rolled")
	}
	for range 3 {
		c.write("rolled/0", "rolled")
	}
	into, req := "snapshot", app.RestoreRequest{Tables: []string{"rolled"}}
	if c.order.Seed%3 == 0 {
		into, req.At = "latest", app.Latest
	}
	c.say("restoring-"+into, "rolled/0", c.have["rolled/0"])
	c.must(c.h.Hub().Restore(c.ctx, req))
	c.say("swap")
	c.have["rolled/0"] = c.read("rolled")["rolled/0"]
	c.say("restored", "rolled/0", c.have["rolled/0"])
}
