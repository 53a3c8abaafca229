package vault

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/codec"
)

// loose reads the files in the folder of a snapshot whose manifest cannot be read, by what
// they carry in themselves: who mends a vault must know what else is damaged.
func (c *verifier) loose(table, name string) {
	entries, err := c.v.fs.ReadDir(c.v.snapDir(table, name))
	if err != nil {
		return // the manifest's problem says it
	}
	for _, e := range entries {
		want := framesHeader{Magic: framesMagic, Table: table}
		if _, err := fmt.Sscanf(strings.TrimSuffix(e.Name(), ".frames"), "%06d", &want.Part); err != nil || partName(int(want.Part)) != e.Name() {
			want.Part = 0
		}
		if e.Name() == tailName {
			want.Magic, want.Part = tailMagic, 1
		}
		if want.Part == 0 || !e.Type().IsRegular() {
			continue
		}
		file := c.v.path(tablesName, table, snapsName, name, e.Name())
		if err := c.looseFile(file, want); err != nil && c.ctx.Err() == nil && !isMissing(err) {
			c.report(table, name, file, err)
		}
	}
}

func (c *verifier) looseFile(file string, want framesHeader) (err error) {
	f, err := c.v.fs.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	unpack := &codec.Unpacker{Max: maxFrame}
	defer unpack.Close()
	r := &framesReader{in: bufio.NewReader(ctxReader{c.ctx, f}), size: info.Size(), file: file, want: want, anyCut: true, unpack: unpack, keys: &ascending{}}
	err = r.run(func(storage.Entry, *storage.Record, storage.Hash) error { return nil })
	c.rep.Bytes += r.off
	return err
}
