package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/dgraph-io/badger/v4"
)

// Image is a lease's version of a store as files: Badger's tables, which never
// change and stay until the image is released, and all that they lack, which
// [Image.Tail] yields. Both together are the store at the lease's version.
type Image struct {
	// Tables are the table files, by level and age. They may be none at all.
	Tables []TableFile
	// Through is the version up to which the tables have all that there is. What is
	// newer is in the tail; some of it may be in tables, too.
	Through Version
	// Bytes is the size of all tables, after [Image.Measure].
	Bytes int64

	l     *Lease
	txn   *badger.Txn
	hold  *badger.Iterator // keeps the files
	tail  *badger.Iterator // keeps the memtables, and yields what is newer than Through
	files sync.Mutex       // guards released
	ended bool
}

// TableFile is one of Badger's table files.
type TableFile struct {
	Path       string
	ID         uint64 // never used twice while the store is open; see [Image.Instance]
	Level      int
	Size       int64 // after [Image.Measure]
	MaxVersion Version
}

// ValueLog is one of Badger's value-log files, of which the first Size bytes count.
// Values are found by the file's id, so a copy must keep it.
type ValueLog struct {
	Path string
	ID   uint32
	Size int64
}

// imageTries bounds how often a pin that a flush or compaction came across is tried
// again. One try takes microseconds, and they come across it seldom.
const imageTries = 200

// Image pins the files that hold the lease's version. Take it before anything is
// committed beyond the version, within the pause of the cut: it takes about a
// millisecond, and copies nothing. A table whose file has such a commit cannot be
// part of the image; then it has no tables, and all is in its tail, which is as
// right but slow. A lease has one image; the lease's release ends it.
func (l *Lease) Image(ctx context.Context) (*Image, error) {
	if l.image != nil {
		return l.image, nil
	}
	img := &Image{l: l, txn: l.s.db.NewTransactionAt(uint64(l.Version), false)}
	pinned := false
	err := l.s.guarded(func() {
		for try := 0; try < imageTries && !pinned && ctx.Err() == nil; try++ {
			pinned = img.pin()
		}
		if !pinned {
			img.Tables, img.Through = nil, 0
			img.open(false)
		}
	})
	if err = errors.Join(err, ctx.Err()); err != nil {
		img.Release()
		return nil, err
	}
	l.image = img
	return img, nil
}

// pin opens the iterators and says whether no table came or went meanwhile. If none
// did, the memtables that tail holds and the tables fit together.
func (img *Image) pin() bool {
	db := img.l.s.db
	before := db.Tables()
	through, ok := through(before, img.l.Version)
	if !ok {
		before, through = nil, 0
	}
	img.Through = through
	img.open(len(before) > 0)
	if ok && !slices.EqualFunc(before, db.Tables(), sameTable) {
		img.shut()
		return false
	}
	img.Tables = make([]TableFile, len(before))
	for i, t := range before {
		img.Tables[i] = TableFile{Path: filepath.Join(img.l.s.dir, TableName(t.ID)), ID: t.ID, Level: t.Level, MaxVersion: Version(t.MaxVersion)}
	}
	return true
}

// through returns the version up to which the tables have all that there is. ok is
// false where one of them has commits later than at.
//
// Versions enter a store in order, and memtables become tables in the order in which
// they were filled. So what is newer than every table is in memtables only, and what
// is older than the newest entry of a table is in tables. Of the newest version
// itself there may be more in memtables: [Store.Redo] writes a commit in several
// transactions, and a memtable may end between them.
func through(tables []badger.TableInfo, at Version) (v Version, ok bool) {
	for _, t := range tables {
		v = max(v, Version(t.MaxVersion))
	}
	return max(v, 1) - 1, v <= at
}

func sameTable(a, b badger.TableInfo) bool { return a.ID == b.ID && a.Level == b.Level }

// open opens the iterators. The tail must be read through one that was opened with
// the pin: a later one would miss the tombstones that a compaction has dropped since
// (it may drop all at or below the discard mark, which may have come as far as the
// lease), and a restore would bring back what they hide.
//
// Without tables there is nothing that a tombstone would have to hide.
func (img *Image) open(tombstones bool) {
	img.hold = img.txn.NewIterator(badger.IteratorOptions{})
	img.tail = img.txn.NewIterator(badger.IteratorOptions{AllVersions: tombstones, SinceTs: uint64(img.Through)})
}

func (img *Image) shut() {
	for _, it := range []*badger.Iterator{img.hold, img.tail} {
		if it != nil {
			it.Close()
		}
	}
	img.hold, img.tail = nil, nil
}

// Measure learns the files' sizes (Badger's own figure counts values elsewhere, too).
// It is apart from the pin, so that a cut's pause does not grow with their number.
func (img *Image) Measure() error {
	img.Bytes = 0
	for i := range img.Tables {
		t := &img.Tables[i]
		info, err := os.Stat(t.Path)
		if err != nil {
			return img.l.s.fileError(err, t.Path)
		}
		t.Size = info.Size()
		img.Bytes += t.Size
	}
	return nil
}

// Instance tells this opening of the store from all others: only within one do the
// ids of tables identify them. (Badger may begin at 1 again when it opens a store.)
func (img *Image) Instance() string { return img.l.s.opened }

// Alone gives up the lease's hold on old versions: the store may discard what the image
// has by itself, so that a long copy does not make it grow. From then on read nothing of
// the lease but the image; a scan might miss records.
func (img *Image) Alone() { img.l.s.readers.loosen(img.l.long) }

// Release ends the image; its files may vanish then. Releasing twice is fine.
func (img *Image) Release() {
	img.files.Lock()
	defer img.files.Unlock()
	if img.ended {
		return
	}
	img.ended = true
	img.shut()
	img.txn.Discard()
}
