package crash

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/brockdb/brock/test/harness"
)

// template is a hub's directory with a table of files, a backup, and a change log of some
// segments. Each round begins with a copy of it.
type template struct {
	dir string
	rec *record
}

// makeTemplate lets a child make it.
func makeTemplate(dir string) (template, error) {
	t := template{dir: dir, rec: newRecord()}
	err := harness.Script("template", func(tb harness.TB) {
		c := &child{order: order{Dir: dir, Work: backups}, t: tb, ctx: tb.Context(), have: map[string]int{}}
		c.h = c.order.hub(tb)
		files := c.h.Table("files")
		for i := 0; i < ballastCount; i += 100 {
			c.must(files.Apply(c.ctx, ballast(i, i+100)))
		}
		for table, writers := range writersOf {
			for _, w := range writers {
				c.must(c.h.Table(table).Apply(c.ctx, batch(w, 1)))
				*t.rec.of(id(table, w)) = known{acked: 1, sent: 1}
			}
		}
		c.h.Restart() // which writes the records into files
		c.must(c.h.Hub().Backup(c.ctx))
		t.rec.kept = map[int]bool{1: true}
	})
	return t, err
}

// copyTo copies it to a new directory.
func (t template) copyTo(dir string) error {
	return filepath.WalkDir(t.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(t.dir, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		return copyFile(path, to)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = io.Copy(out, in)
		err = errors.Join(err, out.Close())
	}
	return errors.Join(err, in.Close())
}

// hurt flips bits in the table of files, as a bad disk would.
func hurt(dir string) error {
	return harness.Script("hurt", func(tb harness.TB) {
		h := harness.New(tb, harness.InDir(dir), harness.Stopped(), harness.Parallel())
		h.Damage("files", "ballast 7|")
	})
}

// readMarker returns the names of the stores that a table's marker knows.
func readMarker(dir string) (stores []string, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "table.json"))
	if err != nil {
		return nil, err
	}
	var mark struct {
		Current  string
		Replaced []struct{ Store string }
	}
	if err = json.Unmarshal(b, &mark); err != nil {
		return nil, err
	}
	stores = []string{mark.Current}
	for _, r := range mark.Replaced {
		stores = append(stores, r.Store)
	}
	return stores, nil
}

// unfinishedIn returns what has a temporary name, of which a hub that was closed leaves
// nothing.
func unfinishedIn(dir string) (names []string) {
	for name := range leftovers(dir) {
		names = append(names, strings.TrimPrefix(name, dir))
	}
	return names
}
