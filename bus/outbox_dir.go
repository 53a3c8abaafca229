package bus

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The outbox directory, version 1:
//
//	00000000000000000042.event   one event: a header line, then its JSON
//	acked                        the same with {"seq":41}: what is delivered
//	*.event.damaged, *.rejected  set aside, for people to look at
//	.tmp-*                       unfinished writes, swept at start
//
// The header line is "brock-outbox 1 <SHA-256 of the rest, hex>". Files appear
// whole: temporary name, fsync, rename, fsync of the directory.
const (
	outboxMagic = "brock-outbox 1 "
	eventSuffix = ".event"
	ackedName   = "acked"
	tempPrefix  = ".tmp-"
)

var errDamaged = errors.New("bus: damaged outbox file")

type outboxDir struct {
	path  string
	files Files
}

type ackedMark struct {
	Seq uint64 `json:"seq"`
	ID  string `json:"id"`
}

func openOutboxDir(path string, files Files) (outboxDir, error) {
	if files == nil {
		files = systemFiles{}
	}
	if err := files.MkdirAll(path); err != nil {
		return outboxDir{}, err
	}
	return outboxDir{path, files}, nil
}

func eventName(seq uint64) string { return fmt.Sprintf("%020d%s", seq, eventSuffix) }

// list returns the sequence numbers of waiting events in order, and the highest
// number that any file carries. It sweeps unfinished writes.
func (d outboxDir) list() (seqs []uint64, highest uint64, err error) {
	entries, err := d.files.ReadDir(d.path)
	if err != nil {
		return nil, 0, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, tempPrefix) {
			_ = d.files.Remove(filepath.Join(d.path, name))
			continue
		}
		digits, rest, _ := strings.Cut(name, ".")
		seq, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || len(digits) != 20 {
			continue
		}
		highest = max(highest, seq)
		if "."+rest == eventSuffix {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs, highest, nil
}

func (d outboxDir) writeEvent(seq uint64, data []byte) error {
	return d.write(eventName(seq), data)
}

// readEvent returns the event's id and JSON. Errors match errDamaged, or
// fs.ErrNotExist.
func (d outboxDir) readEvent(seq uint64) (id string, data []byte, err error) {
	data, err = d.read(eventName(seq))
	if err != nil {
		return "", nil, err
	}
	var e Event
	if err := json.Unmarshal(data, &e); err != nil {
		return "", nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return e.ID, data, nil
}

func (d outboxDir) remove(seq uint64) error {
	err := d.files.Remove(filepath.Join(d.path, eventName(seq)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// setAside renames an event's file so that it is not sent.
func (d outboxDir) setAside(seq uint64, suffix string) (string, error) {
	from := filepath.Join(d.path, eventName(seq))
	to := from + suffix
	if err := d.files.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return to, err
	}
	return to, d.files.SyncDir(d.path)
}

// acked returns the mark of what is delivered; the zero mark where there is
// none.
func (d outboxDir) acked() (ackedMark, error) {
	var mark ackedMark
	data, err := d.read(ackedName)
	if errors.Is(err, fs.ErrNotExist) {
		return mark, nil
	}
	if err != nil {
		return mark, err
	}
	if err := json.Unmarshal(data, &mark); err != nil {
		return ackedMark{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return mark, nil
}

func (d outboxDir) writeAcked(mark ackedMark) error {
	data, err := encodeJSON(mark)
	if err != nil {
		return err
	}
	return d.write(ackedName, data)
}

// read returns what write stored under name.
func (d outboxDir) read(name string) ([]byte, error) {
	raw, err := d.files.ReadFile(filepath.Join(d.path, name))
	if err != nil {
		return nil, err
	}
	header, body, found := bytes.Cut(raw, []byte("\n"))
	if !found || string(header) != outboxHeader(body) {
		return nil, fmt.Errorf("%w: %s", errDamaged, name)
	}
	return body, nil
}

func outboxHeader(body []byte) string {
	sum := sha256.Sum256(body)
	return outboxMagic + hex.EncodeToString(sum[:])
}

// write stores body under name, durably and whole or not at all.
func (d outboxDir) write(name string, body []byte) error {
	return d.files.WriteAtomic(filepath.Join(d.path, name), append([]byte(outboxHeader(body)+"\n"), body...))
}
