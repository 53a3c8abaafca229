package changelog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/stretchr/testify/require"
)

// What Append refuses leaves nothing behind, and the right thing may follow.
func TestAppendRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(s *shipment)
		want error
	}{
		"another beginning":        {func(s *shipment) { s.head.From-- }, storage.ErrInvalid},
		"an end before it":         {func(s *shipment) { s.head.To = 20 }, storage.ErrInvalid},
		"another vault":            {func(s *shipment) { s.head.Vault = "vault-2" }, storage.ErrInvalid},
		"a commit of no table":     {func(s *shipment) { s.commits[1].Table = "c" }, storage.ErrInvalid},
		"a table twice":            {func(s *shipment) { s.head.Tables = append(s.head.Tables, s.head.Tables[0]) }, storage.ErrInvalid},
		"a bad name":               {func(s *shipment) { s.head.Tables[0].Table = "../a" }, storage.ErrInvalidName},
		"complete beyond its end":  {func(s *shipment) { s.head.Tables[0].Through = 31 }, storage.ErrInvalid},
		"less complete than ever":  {func(s *shipment) { s.head.Tables[1].Through = 19 }, storage.ErrInvalid},
		"complete below its state": {func(s *shipment) { s.head.Tables[0].Through = 22 }, storage.ErrInvalid},
		"a wrong count":            {func(s *shipment) { s.head.Tables[0].Commits++ }, storage.ErrInvalid},
		"moved without commits":    {func(s *shipment) { s.head.Tables[1].After.Records++ }, storage.ErrInvalid},
		"a commit missing":         {func(s *shipment) { s.commits = s.commits[1:] }, storage.ErrDamaged},
		"the last one missing":     {func(s *shipment) { s.commits = s.commits[:1] }, storage.ErrDamaged},
		"a commit twice":           {func(s *shipment) { s.commits = append(s.commits, s.commits[1]) }, storage.ErrDamaged},
		"another last state":       {func(s *shipment) { s.head.Tables[0].After.Bytes++ }, storage.ErrDamaged},
		"a change missing":         {func(s *shipment) { s.commits[0].Changes = nil }, storage.ErrDamaged},
		"a damaged record": {func(s *shipment) {
			e := &s.commits[0].Changes[0]
			e.Envelope = slices.Clone(e.Envelope)
			e.Envelope[len(e.Envelope)-1] ^= 1
		}, storage.ErrDamaged},
		"a restore with changes": {func(s *shipment) { s.commits[0].Restored = new(storage.Version) }, storage.ErrDamaged},
		"another state before":   {func(s *shipment) { s.head.Tables[1].Before.Bytes++; s.head.Tables[1].After.Bytes++ }, storage.ErrGap},
		"commits from before": {func(s *shipment) {
			a := newTable("a")
			a.ledger.Commits, a.ledger.Version = 7, 14
			s.head.Tables[0].Before, s.head.Tables[0].Break = a.ledger, true
			s.commits = []Commit{a.put(t, 16, "k", "v"), a.put(t, 26, "k", "v")}
			s.head.Tables[0].After = a.ledger
		}, storage.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			_, before := small(t, l, 2)
			a := newTable("a")
			a.ledger = before["a"]
			good := func() shipment { return ship(20, 30, before, a.put(t, 23, "k", "x"), a.put(t, 25, "l", "y")) }
			s := good()
			c.harm(&s)
			_, err := l.Append(t.Context(), s.head, s.commits)
			require.ErrorIs(t, err, c.want)
			entries, err := os.ReadDir(l.dir)
			require.NoError(t, err)
			require.Len(t, entries, 2)
			a.ledger = before["a"]
			good().append(t, l)
			clean(t, l)
		})
	}
}

func TestAppendTakesAnyOrder(t *testing.T) {
	l := newLog(t)
	a, b := newTable("a"), newTable("b")
	cs := []Commit{a.put(t, 1, "k", "v"), a.put(t, 5, "k", "v"), b.put(t, 2, "k", "v"), b.put(t, 4, "k", "v")}
	s := ship(0, 10, map[string]storage.Ledger{"a": {}, "b": {}}, cs...)
	slices.Reverse(s.head.Tables)
	slices.Reverse(s.commits)
	seg := s.append(t, l)
	require.Equal(t, "a", seg.Tables[0].Table)
	require.Equal(t, uint64(4), seg.Commits())
	var order []storage.Version
	_, err := l.readAll(t.Context(), seg.Name, seg.span(), nil, func(_ *Head, _ int, c storage.Commit) error {
		order = append(order, c.Ledger.Version)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []storage.Version{1, 5, 2, 4}, order)
}

func TestTooLarge(t *testing.T) {
	l := newLog(t)
	a := newTable("a")
	c := a.put(t, 5, "k", strings.Repeat("x", maxFrame))
	s := ship(0, 10, map[string]storage.Ledger{"a": {}}, c)
	_, err := l.Append(t.Context(), s.head, s.commits)
	require.ErrorIs(t, err, storage.ErrTooLarge)
	a = newTable("a")
	s = ship(0, 10, map[string]storage.Ledger{"a": {}}, a.put(t, 5, "k", strings.Repeat("x", storage.MaxValueBytes)))
	s.append(t, l)
	clean(t, l)
}

func TestReadOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	l, err := Open(disk.OS, dir, "", "", Options{ReadOnly: true})
	require.NoError(t, err)
	require.NoDirExists(t, dir)
	require.Empty(t, l.Segments())
	clean(t, l)
	small(t, openLog(t, disk.OS, dir), 2)
	tmp := filepath.Join(dir, disk.TempPrefix+"x")
	overwrite(t, tmp, nil)
	l, err = Open(disk.OS, dir, "", "", Options{ReadOnly: true}) // of a vault whose id is lost
	require.NoError(t, err)
	clean(t, l)
	require.FileExists(t, tmp)
	_, err = l.Append(t.Context(), Head{}, nil)
	require.ErrorIs(t, err, ErrReadOnly)
	_, err = l.Merge(t.Context(), MergeOptions{})
	require.ErrorIs(t, err, ErrReadOnly)
	_, err = l.Remove(t.Context(), 10)
	require.ErrorIs(t, err, ErrReadOnly)
	require.Len(t, openLog(t, disk.OS, dir).Segments(), 2)
	require.NoFileExists(t, tmp)
	_, err = Open(disk.OS, dir, "", hubID, Options{})
	require.ErrorIs(t, err, storage.ErrInvalid)
	_, err = Open(disk.OS, dir, vaultID, hubID, Options{Codec: 9})
	require.ErrorIs(t, err, storage.ErrInvalid)
}

func TestCanceled(t *testing.T) {
	l := newLog(t)
	small(t, l, 4)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Append(ctx, ship(40, 50, nil).head, nil)
	require.ErrorIs(t, err, context.Canceled)
	_, err = l.Merge(ctx, MergeOptions{Fanout: 2})
	require.ErrorIs(t, err, context.Canceled)
	_, err = l.Remove(ctx, 20)
	require.ErrorIs(t, err, context.Canceled)
	checked, _, problems := l.Verify(ctx, 0)
	require.Zero(t, checked)
	require.Empty(t, problems)
	clean(t, l)
	require.Empty(t, l.bad)
}

// A reader of one table skips frames that have none of its commits. With more than 64
// tables it may read some in vain.
func TestFramesAreSkipped(t *testing.T) {
	for _, n := range []int{3, 70} {
		l := newLog(t)
		l.codec = Stored
		before := map[string]storage.Ledger{}
		var cs []Commit
		for i := range n {
			tb := newTable(fmt.Sprintf("t%02d", i))
			before[tb.name] = storage.Ledger{}
			size := 300 << 10 // one commit fills a frame
			if i > 2 && i < n-2 {
				size = 10
			}
			for k := range 3 {
				cs = append(cs, tb.put(t, storage.Version(10*i+k+1), "k", strings.Repeat(fmt.Sprint(k), size)))
			}
		}
		seg := ship(0, 1000, before, cs...).append(t, l)
		clean(t, l)
		for _, name := range []string{"t00", "t01", "t02"} {
			got, err := replayed(t, l, name, storage.Ledger{}, 0, 1000)
			require.NoError(t, err)
			equal(t, of(cs, name, 0, 1000), got)
		}
		// What is damaged in frames that are skipped does not matter to the table.
		data := read(t, l.path(seg.Name))
		at := int(seg.Bytes) - endSize - 100 // the last frame is of the last table alone
		data[at] ^= 1
		overwrite(t, l.path(seg.Name), data)
		problems(t, l, seg.Name)
		last := fmt.Sprintf("t%02d", n-1)
		for name, want := range map[string]bool{"t00": true, last: false} {
			got, err := replayed(t, l, name, storage.Ledger{}, 0, 1000)
			require.Equal(t, want, err == nil, "%s of %d: %v", name, n, err)
			require.True(t, want && len(got) == 3 || errors.Is(err, storage.ErrDamaged))
		}
	}
}

func TestErrorsSpeak(t *testing.T) {
	require.Contains(t, (&BehindError{"a", 0, 5}).Error(), "nothing of the table")
	require.Contains(t, (&BehindError{"a", 3, 5}).Error(), "complete through version 3")
}
