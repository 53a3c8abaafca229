package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Bounds of a batch. A request holds at most 32 MiB.
const (
	batchLines = 1000
	batchBytes = 4 << 20
	lineBytes  = 31 << 20
	// zstdWindow is how much memory a file may ask for; zstd itself unpacks no more
	// without --long=28.
	zstdWindow = 128 << 20
)

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// lines reads batches of lines from a file that may be packed.
type lines struct {
	name  string
	unit  string // what errors call a line
	line  int    // the number of the last line of the last batch
	next  []byte // a line that did not fit into the batch before
	r     *bufio.Reader
	close func()
	read  meter // what was read, packed as it is
	total int64 // its size, 0 where nobody knows
}

// meter counts what is read.
type meter struct {
	r io.Reader
	n int64
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	m.n += int64(n)
	return n, err
}

// openLines opens a file, or standard input for "-".
func (c *cli) openLines(name string) (*lines, error) {
	l := &lines{name: name, unit: "line", close: func() {}}
	in := c.in
	if name == "-" {
		l.name = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		in, l.close = f, func() { _ = f.Close() }
	}
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			l.total = info.Size()
		}
	}
	l.read.r = in
	if err := l.unpack(&l.read); err != nil {
		l.close()
		return nil, fmt.Errorf("%s: %w", l.name, err)
	}
	return l, nil
}

// unpack goes by the file's name and, as standard input has none, by its first bytes.
func (l *lines) unpack(in io.Reader) error {
	packed := bufio.NewReaderSize(in, 64<<10)
	magic, err := packed.Peek(len(zstdMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	l.r = packed
	switch {
	case strings.HasSuffix(l.name, ".gz"), bytes.HasPrefix(magic, gzipMagic):
		z, err := gzip.NewReader(packed)
		if err != nil {
			return fmt.Errorf("gzip: %w", err)
		}
		l.r = bufio.NewReaderSize(z, 64<<10)
	case strings.HasSuffix(l.name, ".zst"), bytes.HasPrefix(magic, zstdMagic):
		z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return fmt.Errorf("zstd: %w", err)
		}
		closeFile := l.close
		l.close = func() { z.Close(); closeFile() }
		l.r = bufio.NewReaderSize(z, 64<<10)
	}
	return nil
}

// batch returns the next lines, none at the end, and the number of the first.
func (l *lines) batch() (batch []byte, first int, err error) {
	first = l.line + 1
	for n := 0; n < batchLines; n++ {
		line, err := l.take()
		if err != nil {
			return nil, first, fmt.Errorf("line %d: %w", l.line+1, err)
		}
		if line == nil {
			break
		}
		if n > 0 && len(batch)+len(line) > batchBytes {
			l.next = line
			break
		}
		batch = append(batch, line...)
		l.line++
	}
	return batch, first, nil
}

// take returns the next line with its end, nil behind the last.
func (l *lines) take() ([]byte, error) {
	if line := l.next; line != nil {
		l.next = nil
		return line, nil
	}
	var line []byte
	for {
		part, err := l.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > lineBytes:
			return nil, fmt.Errorf("the line is longer than %s", size(lineBytes))
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if len(line) == 0 {
				return nil, nil
			}
			return append(line, '\n'), nil
		default:
			return line, err
		}
	}
}
