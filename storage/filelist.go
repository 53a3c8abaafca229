package storage

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/brockdb/brock/storage/disk"
	"github.com/zeebo/xxh3"
)

// A table of Badger's says nothing of the store that it belongs to: one of another store,
// or an older one of this, under the name of the right one has whole blocks and records.
// So the file FILES beside them says which tables are the store's: of each its id, its size
// and the XXH3 of its last bytes, in which the checksum of its index is. It is written at
// an open, at the close, and now and then between, so a kill may leave tables that it does
// not have; those are taken as they are. Ids are used again only after an open, which
// first takes out of the list what the MANIFEST has not got.
type fileList map[uint64]fileMark

type fileMark struct{ size, tail uint64 }

const (
	fileListName  = "FILES"
	fileListMagic = "BROCKFL1"
	fileListTail  = 4 << 10
	fileListEvery = 2 * time.Second
)

// readFileList returns the list of the store in dir; what is missing or torn knows nothing.
func readFileList(dir string) fileList {
	list := fileList{}
	b, err := disk.ReadFile(disk.OS, filepath.Join(dir, fileListName))
	end := len(b) - 8
	if err != nil || end < len(fileListMagic) || (end-len(fileListMagic))%24 != 0 || string(b[:len(fileListMagic)]) != fileListMagic ||
		binary.BigEndian.Uint64(b[end:]) != xxh3.Hash(b[:end]) {
		return list
	}
	for e := b[len(fileListMagic):end]; len(e) > 0; e = e[24:] {
		list[binary.BigEndian.Uint64(e)] = fileMark{binary.BigEndian.Uint64(e[8:]), binary.BigEndian.Uint64(e[16:])}
	}
	return list
}

func (list fileList) encode() []byte {
	b := []byte(fileListMagic)
	for _, id := range slices.Sorted(maps.Keys(list)) {
		b = be64(be64(be64(b, id), list[id].size), list[id].tail)
	}
	return be64(b, xxh3.Hash(b))
}

// writeSoon replaces the list without waiting for the disk: a power cut may leave an older
// list or none, which only knows less.
func (list fileList) writeSoon(dir string) error {
	name := filepath.Join(dir, fileListName)
	tmp := filepath.Join(dir, disk.TempPrefix+fileListName)
	if err := os.WriteFile(tmp, list.encode(), disk.FileMode); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

// markOf reads what a list says of a table.
func markOf(f io.ReaderAt, size int64) (fileMark, error) {
	b := make([]byte, min(size, fileListTail))
	if _, err := f.ReadAt(b, size-int64(len(b))); err != nil && !errors.Is(err, io.EOF) {
		return fileMark{}, err
	}
	return fileMark{uint64(size), xxh3.Hash(b)}, nil
}

// identities compares the tables with the list, and takes out of it what the MANIFEST has
// not got: Badger may use those ids again.
func (p *precheck) identities() error {
	list, gone := readFileList(p.dir), false
	for _, t := range p.tables {
		want, ok := list[t.id]
		if !ok {
			continue
		}
		if err := p.with(t.name, func(f *os.File, size int64) error {
			got, err := markOf(f, size)
			if err == nil && got != want {
				return p.damage(t.name, 0, "is not the table that was written under this name, but another one, or an older one")
			}
			return err
		}); err != nil {
			return err
		}
	}
	for id := range list {
		if _, live := p.list.live[id]; !live {
			delete(list, id)
			gone = true
		}
	}
	if gone {
		return disk.WriteAtomic(disk.OS, filepath.Join(p.dir, fileListName), list.encode())
	}
	return nil
}

// noteFiles brings the list up to date, where it is due. It is for who writes to the store.
func (s *Store) noteFiles() {
	if now := time.Now(); now.Sub(s.listed) >= fileListEvery {
		s.listed = now
		var ids []uint64
		for _, t := range s.db.Tables() {
			ids = append(ids, t.ID)
		}
		s.listFiles(ids)
	}
}

// noteAllFiles is noteFiles once Badger is closed, and has written all that it will.
func (s *Store) noteAllFiles() {
	names, err := filepath.Glob(filepath.Join(s.dir, "*.sst"))
	if err != nil {
		return
	}
	var ids []uint64
	for _, name := range names {
		if id, ok := tableID(filepath.Base(name)); ok {
			ids = append(ids, id)
		}
	}
	s.listFiles(ids)
}

// listFiles writes the list of these tables, if it is another one than before. That it
// cannot be written costs a check, and no more.
func (s *Store) listFiles(ids []uint64) {
	list := fileList{}
	for _, id := range ids {
		mark, known := s.files[id]
		if !known {
			var err error
			if mark, err = s.markFile(id); err != nil {
				if !errors.Is(err, fs.ErrNotExist) {
					s.log.Warn("a table's file cannot be noted", "id", id, "err", err)
				}
				continue // a compaction was faster
			}
		}
		list[id] = mark
	}
	if maps.Equal(list, s.files) {
		return
	}
	if err := list.writeSoon(s.dir); err != nil {
		s.log.Warn("the list of the table's files cannot be written", "dir", s.dir, "err", err)
		return
	}
	s.files = list
}

func (s *Store) markFile(id uint64) (fileMark, error) {
	f, err := os.Open(filepath.Join(s.dir, TableName(id)))
	if err != nil {
		return fileMark{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil || info.Size() == 0 { // Badger empties what it removes
		return fileMark{}, errors.Join(err, fs.ErrNotExist)
	}
	return markOf(f, info.Size())
}
