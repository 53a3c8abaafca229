// Command peers measures what other stores do with the records of test/bench/big:
// SQLite's .backup, bbolt's WriteTo and Pebble's checkpoint. It is a module of its
// own, so that they stay out of Brock's.
//
//	cd test/peers && go run . -sizes 100MB,1GB
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/brockdb/brock/test/bench/records"
	"github.com/dustin/go-humanize"
)

var (
	sizes   = flag.String("sizes", "100MB,1GB", "logical sizes of the table")
	dirFlag = flag.String("dir", "", "where to work (default: a temporary folder)")
	rounds  = flag.Int("rounds", 3, "how often each time is taken; the median counts")
)

// store is a peer with one table.
type store interface {
	put(keys, values [][]byte) error // one transaction
	backup(to string) error          // a new file or folder, synced
	check(backup string) error       // that it opens, and has a record
	close() error
}

type peer struct {
	name string
	open func(dir string) (store, error)
}

var all = []peer{
	{"SQLite `.backup` + fsync", openSQLite},
	{"bbolt `WriteTo` + fsync", openBolt},
	{"Pebble checkpoint (links; the same disk only)", openPebble(false)},
	{"Pebble checkpoint, copied + fsync", openPebble(true)},
}

func main() {
	flag.Parse()
	for _, text := range strings.Split(*sizes, ",") {
		size, err := humanize.ParseBytes(text)
		if err == nil {
			err = table(text, int(size)/records.MeanBytes)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "peers:", err)
			os.Exit(1)
		}
	}
}

func table(text string, n int) error {
	fmt.Printf("\ntable of %s: %s records of 100 B to 1 KiB\n\n", text, humanize.Comma(int64(n)))
	fmt.Print("| peer | its files | full snapshot, live | next one after 1 % changed | copy it back + open |\n|---|---|---|---|---|\n")
	for _, p := range all {
		if err := p.measure(n); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func (p peer) measure(n int) (err error) {
	dir, err := os.MkdirTemp(*dirFlag, "brock-peers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := p.open(filepath.Join(dir, "live"))
	if err != nil {
		return err
	}
	if err = write(s, order(n), 0); err == nil {
		err = p.backups(s, dir, n)
	}
	return errors.Join(err, s.close())
}

func (p peer) backups(s store, dir string, n int) error {
	time.Sleep(3 * time.Second) // for what it does in the background
	var full, next, restore []time.Duration
	to := filepath.Join(dir, "backup")
	for round := 1; round <= *rounds; round++ {
		for _, times := range []*[]time.Duration{&full, &next} {
			d, err := timed(func() error { return s.backup(to) })
			if err != nil {
				return err
			}
			if *times = append(*times, d); times == &full {
				if err := errors.Join(os.RemoveAll(to), write(s, records.Changes(n, 0.01, round), round)); err != nil {
					return err
				}
			}
		}
		back := filepath.Join(dir, "restored")
		d, err := timed(func() error { return errors.Join(copyAll(to, back), s.check(back)) })
		if err = errors.Join(err, os.RemoveAll(back), os.RemoveAll(to)); err != nil {
			return err
		}
		restore = append(restore, d)
	}
	size, err := sizeOf(filepath.Join(dir, "live"))
	fmt.Printf("| %s | %s | %s | %s | %s |\n", p.name, humanize.Bytes(uint64(size)), show(full), show(next), show(restore))
	return err
}

func timed(f func() error) (time.Duration, error) {
	syscall.Sync()
	began := time.Now()
	err := f()
	return time.Since(began), err
}

func show(d []time.Duration) string {
	slices.Sort(d)
	return d[len(d)/2].Round(time.Millisecond).String()
}
