package harness

import "github.com/brockdb/brock/storage/disk"

// faultFile is an open file of a [FaultFS]. Like the file it wraps, it has one
// position, which one goroutine at a time moves.
type faultFile struct {
	disk.File
	fs   *FaultFS
	path string
	pos  int64
}

func (f *faultFile) Read(p []byte) (n int, err error) {
	err = f.fs.do(FileOp{Kind: OpRead, Path: f.path, Offset: f.pos, Size: len(p)}, func() (err error) {
		n, err = f.File.Read(p)
		return err
	})
	f.pos += int64(n)
	return n, err
}

func (f *faultFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.fs.do(FileOp{Kind: OpRead, Path: f.path, Offset: off, Size: len(p)}, func() (err error) {
		n, err = f.File.ReadAt(p, off)
		return err
	})
	return n, err
}

func (f *faultFile) Write(p []byte) (int, error) {
	n, err := f.write(p, f.pos, f.File.Write)
	f.pos += int64(n)
	return n, err
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	return f.write(p, off, func(p []byte) (int, error) { return f.File.WriteAt(p, off) })
}

// write tears the write where a fault lies in its middle: what comes before that
// byte is written.
func (f *faultFile) write(p []byte, off int64, write func([]byte) (int, error)) (n int, err error) {
	op := FileOp{Kind: OpWrite, Path: f.path, Offset: off, Size: len(p)}
	if head := f.fs.tear(op); head > 0 {
		if n, err = write(p[:head]); err != nil {
			return n, err
		}
		p, op.Offset, op.Size = p[head:], op.Offset+int64(head), op.Size-head
	}
	err = f.fs.do(op, func() error {
		m, err := write(p)
		n += m
		return err
	})
	return n, err
}

func (f *faultFile) Sync() error {
	return f.fs.do(FileOp{Kind: OpSync, Path: f.path}, f.File.Sync)
}
