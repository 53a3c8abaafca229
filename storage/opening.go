package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/brockdb/brock/storage/disk"
)

// Opening is the note that lies in a table's folder from before Badger opens its store
// until the table has served for a while. Badger can end the process on damage; a
// note that a start finds says that the process before ended then.
//
// That alone proves nothing: any kill leaves notes. So such tables are opened one by one,
// and a death counts against a table only if it was opened alone.
type Opening struct {
	Store  string    `json:"store"`  // which of the table's stores
	Found  int       `json:"found"`  // how many starts in a row found a note here
	Deaths int       `json:"deaths"` // how many of them after an open that was alone
	Alone  bool      `json:"alone"`  // this open is
	Opened bool      `json:"opened"` // Badger's open has ended, and others may be opening now
	Since  time.Time `json:"opening_since"`
}

const openingName = "opening.json"

// FindOpening returns the note that the process before left in a table's folder, counted
// on, and whether there is one. One that cannot be read says nothing but that it is there.
func FindOpening(fsys disk.FS, dir string) (o Opening, ok bool) {
	b, err := disk.ReadFile(fsys, openingPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return o, false
	}
	if err != nil || json.Unmarshal(b, &o) != nil {
		o = Opening{}
	}
	o.Found++
	if o.Alone && !o.Opened {
		o.Deaths++
	}
	o.Alone, o.Opened = false, false
	return o, true
}

// NoteOpening makes the note of an open of the current store durable.
func (d *TableDir) NoteOpening(o Opening) error {
	o.Store = d.mark.Current
	b, err := json.MarshalIndent(o, "", "  ")
	if err == nil {
		err = disk.WriteAtomic(d.fs, openingPath(d.dir), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("table %s: note of its opening: %w", d.table, err)
	}
	return nil
}

// ForgetOpening takes the note in a table's folder away.
func ForgetOpening(fsys disk.FS, dir string) error {
	if err := fsys.Remove(openingPath(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Concerns says whether the note is about the store that is current now.
func (d *TableDir) Concerns(o Opening) bool { return o.Store == d.mark.Current }

func openingPath(dir string) string { return filepath.Join(dir, openingName) }
