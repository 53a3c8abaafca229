package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/brockdb/brock/storage/disk"
)

const spoolSuffix = ".alarm"

// spool keeps one receiver's alarms on the disk, one file each: JSON, under a number
// that rises. Files appear whole.
type spool struct {
	fs  disk.FS
	dir string
	log *slog.Logger
}

// load returns what waits, in order. What cannot be read is removed: an alarm is news
// of something that is written down elsewhere.
func (s *spool) load() (items []*item, err error) {
	if err := s.fs.MkdirAll(s.dir); err != nil {
		return nil, err
	}
	if _, err := disk.Sweep(s.fs, s.dir); err != nil {
		return nil, err
	}
	entries, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		digits, isAlarm := strings.CutSuffix(e.Name(), spoolSuffix)
		seq, err := strconv.ParseUint(digits, 10, 64)
		if !isAlarm || err != nil {
			continue
		}
		it := &item{seq: seq}
		b, err := disk.ReadFile(s.fs, s.file(seq))
		if err == nil {
			err = json.Unmarshal(b, &it.Alarm)
		}
		if err != nil {
			s.log.Error("an alarm that waited cannot be read and is dropped", "file", s.file(seq), "err", err)
			s.remove(seq)
			continue
		}
		items = append(items, it)
	}
	slices.SortFunc(items, func(a, b *item) int { return int(int64(a.seq) - int64(b.seq)) })
	return items, nil
}

func (s *spool) file(seq uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%020d%s", seq, spoolSuffix))
}

func (s *spool) write(it *item) error {
	b, err := json.Marshal(it.Alarm)
	if err != nil {
		return err
	}
	return disk.WriteAtomic(s.fs, s.file(it.seq), b)
}

// remove forgets an alarm. One that comes back after a power cut is sent twice, under
// the same id.
func (s *spool) remove(seq uint64) {
	if err := s.fs.Remove(s.file(seq)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("an alarm that is done with could not be removed", "file", s.file(seq), "err", err)
	}
}
