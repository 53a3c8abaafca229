package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the system refuses is no damage, however it is wrapped; what is not what it was is.
func TestErrorsOfTheSystemAreNoDamage(t *testing.T) {
	s := newStore(t)
	for _, no := range []error{syscall.EIO, syscall.ENOSPC, syscall.EMFILE, syscall.ENFILE, syscall.EACCES, syscall.EROFS, syscall.ENOMEM,
		syscall.EDQUOT, syscall.ESTALE, syscall.ETIMEDOUT, syscall.EINTR, syscall.EAGAIN, syscall.EBUSY, os.ErrDeadlineExceeded,
		context.Canceled, context.DeadlineExceeded} {
		path := &fs.PathError{Op: "open", Path: "000001.sst", Err: no}
		for _, err := range []error{path, fmt.Errorf("while opening table: err: %+v", path)} { // as Badger wraps
			for _, given := range []error{openError("t", s.Dir(), err), s.readError(err)} {
				require.False(t, errors.Is(given, ErrDamaged), "%v", given)
				require.ErrorIs(t, given, ErrUnavailable)
			}
		}
	}
	for _, what := range []string{"checksum mismatch", "file does not exist for table 10", "ErrEOF: End of file", "Unable to read manifest", "Value log truncate required"} {
		require.ErrorIs(t, openError("t", s.Dir(), errors.New(what)), ErrDamaged)
		require.ErrorIs(t, s.readError(errors.New(what)), ErrDamaged)
	}
	require.ErrorIs(t, openError("t", s.Dir(), &fs.PathError{Op: "open", Path: "000001.sst", Err: syscall.ENOENT}), ErrDamaged)
}

// The witness of a store that is not opened tells the last version that it acknowledged.
func TestLastSeen(t *testing.T) {
	s := newStore(t)
	require.NoError(t, s.commit(Batch{{Key: []byte("k"), Value: []byte("v")}}))
	want := s.Ledger().Version
	require.NoError(t, s.Close(context.Background()))
	require.Equal(t, want, LastSeen(s.Dir()))
	require.Zero(t, LastSeen(t.TempDir()))
	require.NoError(t, os.WriteFile(s.Dir()+"/"+witnessName, make([]byte, 16), 0o600))
	require.Zero(t, LastSeen(s.Dir()))
}
