// Command big measures backup and restore of one large table, with raw Badger, the
// peer, in the same run, and prints a table of the figures beside their aims.
//
//	go run ./test/bench/big                         # 100 MB and 1 GB
//	go run ./test/bench/big -sizes 4GB -only full,next,restore
//
// It writes up to eight times the size below -dir, and removes it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"

	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/test/bench/records"
	"github.com/dustin/go-humanize"
)

var (
	sizes   = flag.String("sizes", "100MB,1GB", "logical sizes of the table")
	only    = flag.String("only", "", "of full,next,restore,latency,pause,memory,puts,rpo only these")
	dirFlag = flag.String("dir", "", "where to work (default: a temporary folder)")
	rounds  = flag.Int("rounds", 3, "how often each time is taken; the median counts")
	kills   = flag.Int("kills", 20, "how often the hub is killed for the RPO")
	profile = flag.String("cpuprofile", "", "write a CPU profile to this file")
)

func main() {
	if ran, err := child(); ran {
		exitOn(err)
		return
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	exitOn(err)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(*dirFlag, "brock-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Printf("%d processors, load %s\n", runtime.NumCPU(), load())
	for _, text := range strings.Split(*sizes, ",") {
		size, err := humanize.ParseBytes(text)
		if err != nil {
			return err
		}
		free, _, err := disk.Free(dir)
		if err != nil {
			return err
		}
		if free < 8*size {
			fmt.Printf("\n%s left out: it needs %s of disk, %s are free\n", text, humanize.Bytes(8*size), humanize.Bytes(free))
			continue
		}
		b := &bench{dir: filepath.Join(dir, text), n: int(size) / records.MeanBytes}
		b.title("table of %s: %s records of 100 B to 1 KiB", text, humanize.Comma(int64(b.n)))
		if err := b.large(ctx); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
		if err := os.RemoveAll(b.dir); err != nil {
			return err
		}
	}
	b := &bench{dir: filepath.Join(dir, "small")}
	return b.small(ctx)
}

// large measures what depends on the size.
func (b *bench) large(ctx context.Context) error {
	if !b.wants("full", "next", "restore", "latency", "pause", "memory") {
		return nil
	}
	if err := errors.Join(b.fillPeer(), b.fillHub(ctx)); err != nil {
		return err
	}
	return b.each(ctx, step{"full", b.full}, step{"next", b.next}, step{"restore", b.restore}, step{"memory", b.memory},
		step{"latency", b.latency}, step{"pause", b.pause})
}

// small measures what does not.
func (b *bench) small(ctx context.Context) error {
	if !b.wants("puts", "rpo") {
		return nil
	}
	b.title("small tables")
	return b.each(ctx, step{"puts", b.puts}, step{"rpo", b.rpo})
}

type step struct {
	name string
	run  func(context.Context) error
}

func (b *bench) each(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		if !b.wants(s.name) {
			continue
		}
		if err := errors.Join(s.run(ctx), ctx.Err()); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
