package storage

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/brockdb/brock/test/extent"
	"github.com/stretchr/testify/require"
)

var (
	damageTries = flag.Int("damage", extent.Few(20, 40), "how often to damage a store")
	damageSeed  = flag.Uint64("damageseed", 1, "the first seed")
)

const damageVar = "BROCK_DAMAGE_CHILD"

// TestDamagedStores damages one file of a store, in a way that the seed chooses, opens
// it in a child process, and reads all of it. The child must live, and either say what is
// damaged, by a typed error at open or when the table is read, or have all data right.
func TestDamagedStores(t *testing.T) {
	dir := t.TempDir()
	makeDamageBases(t, dir)
	seed, end, deaths := *damageSeed, *damageSeed+uint64(*damageTries), 0
	count := map[string]int{}
	for seed < end {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), damageVar+"="+dir, fmt.Sprintf("BROCK_DAMAGE_SEEDS=%d-%d", seed, end))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		for lines := bufio.NewScanner(out); lines.Scan(); {
			kind, what, _ := strings.Cut(lines.Text(), " ")
			count[kind]++
			seed++
			if kind == "WRONG" {
				t.Errorf("seed %d: %s", seed-1, what)
			} else if testing.Verbose() && *damageTries < 50 {
				t.Log(seed-1, kind, what)
			}
		}
		if err := cmd.Wait(); err != nil {
			deaths++
			t.Errorf("seed %d ended the process: %v: %.3000s", seed, err, &stderr)
			seed++
		}
	}
	t.Logf("%d stores damaged: %v, %d deaths", *damageTries, count, deaths)
}

// makeDamageBases makes a store that was closed, one that was killed, and one that was
// killed with two memtables' logs.
func makeDamageBases(t *testing.T, dir string) {
	s := newStore(t)
	for range 3 {
		for i := range 120 {
			size := 200
			if i%40 == 0 {
				size = largeValue + i
			}
			key := fmt.Appendf(nil, "key-%03d", (i*7)%200)
			require.NoError(t, s.commit(Batch{{Key: key, Value: bytes.Repeat([]byte{byte(i)}, size), ExpiresAt: s.now.Add(time.Hour)}}))
		}
		s.reopen()
	}
	save := func(name string) {
		require.NoError(t, s.Sync())
		copyStore(t, s.Dir(), filepath.Join(dir, name))
		b, err := json.Marshal(s.Ledger())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".json"), b, 0o600))
	}
	for i := range 40 {
		require.NoError(t, s.commit(Batch{{Key: fmt.Appendf(nil, "mem-%03d", i), Value: bytes.Repeat([]byte{byte(i)}, 100+i%3*largeValue)}, {Key: fmt.Appendf(nil, "key-%03d", i), Delete: true}}))
	}
	save("killed")
	save("killed2")
	splitMem(t, filepath.Join(dir, "killed2"))
	s.reopen()
	require.NoError(t, s.Close(context.Background()))
	save("closed")
}

// splitMem makes two logs of memtables of one.
func splitMem(t *testing.T, dir string) {
	name := mems(t, dir)[0]
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	m := &memFile{data: b}
	m.read()
	half := int64(0)
	for _, at := range m.ends[:len(m.ends)/2] {
		e, _ := memEntryAt(b, at)
		if fin, ok := memEntryAt(b, at+e.size); ok && fin.meta&bitFinTxn != 0 {
			half = at + e.size + fin.size
		}
	}
	next := append(bytes.Clone(b[:logHeadBytes]), b[half:m.end]...)
	clear(b[half:])
	require.NoError(t, os.WriteFile(name, b, 0o600))
	name = filepath.Join(dir, fmt.Sprintf("%05d.mem", memID(filepath.Base(name))+1))
	require.NoError(t, os.WriteFile(name, append(next, make([]byte, 1<<20)...), 0o600))
}

func mems(t *testing.T, dir string) []string {
	names, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	return names
}

func copyStore(t testing.TB, from, to string) {
	if err := copyFiles(from, to); err != nil {
		t.Fatal(err)
	}
}

// copyFiles copies a store's files, the zeros at their ends as holes.
func copyFiles(from, to string) error {
	entries, err := os.ReadDir(from)
	err = errors.Join(err, os.MkdirAll(to, 0o700))
	for _, e := range entries {
		b, err2 := os.ReadFile(filepath.Join(from, e.Name()))
		name := filepath.Join(to, e.Name())
		err = errors.Join(err, err2, os.WriteFile(name, bytes.TrimRight(b, "\x00"), 0o600), os.Truncate(name, int64(len(b))))
	}
	return err
}

func damageChild(dir string) {
	from, to, _ := strings.Cut(os.Getenv("BROCK_DAMAGE_SEEDS"), "-")
	first, _ := strconv.ParseUint(from, 10, 64)
	end, _ := strconv.ParseUint(to, 10, 64)
	stores := map[string]string{}
	for seed := first; seed < end; seed++ {
		rng := rand.New(rand.NewPCG(seed, 9))
		base := []string{"closed", "killed", "killed2"}[rng.IntN(3)]
		if stores[base] == "" { // kept in memory's reach: only what is used is copied
			stores[base] = filepath.Join(dir, base)
		}
		work := filepath.Join(dir, "work")
		err := copyFiles(stores[base], work)
		what := ""
		if err == nil {
			what, err = damageOne(rng, work)
		}
		kind, said := "WRONG", fmt.Sprint(err)
		if err == nil {
			kind, said = openDamaged(work, dir, base)
		}
		fmt.Println(kind, base, what+":", strings.ReplaceAll(said, "\n", " "))
		_ = os.RemoveAll(work)
	}
}

// damageOne damages a file, and says how.
func damageOne(rng *rand.Rand, dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	kinds := map[string][]string{}
	for _, e := range entries {
		kinds[filepath.Ext(e.Name())+e.Name()[:1]] = append(kinds[filepath.Ext(e.Name())+e.Name()[:1]], e.Name())
	}
	var all []string
	for k := range kinds {
		all = append(all, k)
	}
	slices.Sort(all)
	files := kinds[all[rng.IntN(len(all))]]
	name := files[rng.IntN(len(files))]
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	used := max(len(bytes.TrimRight(b, "\x00")), 1)
	switch rng.IntN(8) {
	case 0, 1, 2:
		if len(b) == 0 {
			return name + " has nothing to flip", nil
		}
		at := rng.IntN(min(used, len(b)))
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return "", err
		}
		b[at] ^= 1 << rng.IntN(8)
		_, err = f.WriteAt(b[at:at+1], int64(at))
		return fmt.Sprintf("%s bit flipped in byte %d of %d", name, at, used), errors.Join(err, f.Close())
	case 3, 4:
		n := rng.IntN(used)
		return fmt.Sprintf("%s cut to %d of %d", name, n, used), os.Truncate(path, int64(n))
	case 5:
		return name + " deleted", os.Remove(path)
	case 6:
		return name + " emptied", os.Truncate(path, 0)
	}
	other := make([]byte, 1+rng.IntN(200_000))
	for i := range other {
		other[i] = byte(rng.Uint32())
	}
	if rng.IntN(2) == 0 {
		e := entries[rng.IntN(len(entries))].Name()
		if other, err = os.ReadFile(filepath.Join(dir, e)); err != nil {
			return "", err
		}
		name += " is " + e
	}
	return name + " is foreign", os.WriteFile(path, other, 0o600)
}

// openDamaged opens the store and compares all that it holds with what it should.
func openDamaged(work, dir, base string) (kind, said string) {
	var want Ledger
	b, err := os.ReadFile(filepath.Join(dir, base+".json"))
	if err = errors.Join(err, json.Unmarshal(b, &want)); err != nil {
		return "WRONG", err.Error()
	}
	s, err := Open(work, "things", Options{MinFree: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return typed("refused", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	got := s.Ledger()
	err = s.Prove(ctx, want)
	if cerr := s.Close(ctx); cerr != nil && err == nil {
		return "WRONG", "close: " + cerr.Error()
	}
	if got.Version != want.Version || !got.Agrees(want) {
		return "WRONG", fmt.Sprintf("silently another state: version %d, not %d", got.Version, want.Version)
	}
	if err != nil {
		return typed("read", err)
	}
	return "right", ""
}

func typed(kind string, err error) (string, string) {
	for _, e := range []error{ErrDamaged, ErrLost, ErrUnavailable, ErrLocked} {
		if errors.Is(err, e) {
			return kind, err.Error()
		}
	}
	return "WRONG", "no typed error: " + err.Error()
}
