package changelog

import (
	"context"

	"github.com/brockdb/brock/storage"
)

// readSegment reads a segment's head.
func (l *Log) readSegment(name string, want span) (s Segment, err error) {
	err = l.open(context.Background(), name, want, func(r *reader) error {
		s = Segment{Head: r.head, Name: name, Bytes: r.size}
		return nil
	})
	return s, err
}

// open opens a segment and reads its head. A missing one gives an error that matches
// [fs.ErrNotExist].
func (l *Log) open(ctx context.Context, name string, want span, do func(r *reader) error) (err error) {
	f, err := l.fs.Open(l.path(name))
	if isMissing(err) {
		return err
	}
	unreadable := func(err error) error {
		return &storage.DamageError{File: l.path(name), Problem: "cannot be read", Err: err}
	}
	if err != nil {
		return unreadable(err)
	}
	defer func() {
		if e := f.Close(); e != nil && err == nil {
			err = unreadable(e)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return unreadable(err)
	}
	if !info.Mode().IsRegular() {
		return &storage.DamageError{File: l.path(name), Problem: "is no file"}
	}
	r := newReader(ctx, f, info.Size(), l.path(name), want)
	if err := r.readHead(); err != nil {
		return err
	}
	if l.vault != "" && r.head.Vault != l.vault {
		return r.damage(0, "", nil, "belongs to vault %s, this is %s", r.head.Vault, l.vault)
	}
	return do(r)
}

// readAll reads every byte of a segment.
func (l *Log) readAll(ctx context.Context, name string, want span, last func(string) (TableState, bool), yield func(*Head, int, storage.Commit) error) (n int64, err error) {
	err = l.open(ctx, name, want, func(r *reader) error {
		err := r.frames(-1, newAccount(&r.head, last), func(i int, c storage.Commit) error { return yield(&r.head, i, c) })
		n = r.off
		return err
	})
	return n, err
}
