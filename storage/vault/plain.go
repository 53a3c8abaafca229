package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/brockdb/brock/storage"
)

// readPlain copies a file of a snapshot to w, and compares it with its hash in the
// manifest. It returns how many bytes it read.
func (v *Vault) readPlain(ctx context.Context, m *Manifest, info *FileInfo, w io.Writer) (n int64, err error) {
	file := v.fileOf(m, info)
	damaged := func(problem string, cause error) error {
		return &storage.DamageError{Table: m.Table, File: file, Problem: problem, Err: cause}
	}
	f, err := v.fs.Open(file)
	if err != nil {
		return 0, damaged("is missing or cannot be read", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	out := &writeErr{w: io.MultiWriter(sum, w)}
	n, err = io.CopyBuffer(out, io.LimitReader(ctxReader{ctx, f}, info.Size+1), make([]byte, min(info.Size+1, 256<<10)))
	switch {
	case ctx.Err() != nil:
		return n, ctx.Err()
	case out.err != nil:
		return n, out.err
	case err != nil:
		return n, damaged("cannot be read", err)
	case n != info.Size || hex.EncodeToString(sum.Sum(nil)) != info.SHA256:
		return n, damaged("does not match its SHA-256", nil)
	}
	return n, nil
}

// writeErr tells a failed write from a failed read.
type writeErr struct {
	w   io.Writer
	err error
}

func (w *writeErr) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	w.err = err
	return n, err
}
