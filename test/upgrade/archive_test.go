package upgrade

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// sizeRecord is a file's size in an archive, which leaves out the zeros at its end:
// Badger's files are mostly those.
const sizeRecord = "BROCK.size"

// pack writes a folder into an archive.
func pack(t *testing.T, dir, archive string) {
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	require.NoError(t, err)
	w := tar.NewWriter(z)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: filepath.ToSlash(name), Mode: 0o700})
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		used := bytes.TrimRight(data, "\x00")
		err = w.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: 0o600, Size: int64(len(used)),
			PAXRecords: map[string]string{sizeRecord: strconv.Itoa(len(data))}})
		_, werr := w.Write(used)
		return errors.Join(err, werr)
	}))
	require.NoError(t, errors.Join(w.Close(), z.Close()))
	require.NoError(t, os.MkdirAll(filepath.Dir(archive), 0o755))
	require.NoError(t, os.WriteFile(archive, b.Bytes(), 0o644))
}

// unpack is pack's inverse.
func unpack(t *testing.T, archive, dir string) {
	f, err := os.Open(archive)
	require.NoError(t, err)
	defer f.Close()
	z, err := zstd.NewReader(f)
	require.NoError(t, err)
	defer z.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			require.NoError(t, os.MkdirAll(path, 0o700))
			continue
		}
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		size, err := strconv.ParseInt(h.PAXRecords[sizeRecord], 10, 64)
		require.NoError(t, err)
		require.NoError(t, errors.Join(os.WriteFile(path, data, 0o600), os.Truncate(path, size)))
	}
}
