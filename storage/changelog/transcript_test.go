package changelog

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/disk/disktest"
	"github.com/stretchr/testify/require"
)

// The order of writes, fsyncs and renames is what makes a segment durable.
func TestTranscripts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vault", "log")
	rec := disktest.NewTap(disk.OS, dir)
	l := openLog(t, rec, dir)
	short := strings.NewReplacer("00000000000000", "", ".log", "")
	for _, step := range []struct {
		do   func()
		want []string
	}{
		{func() { small(t, l, 1) },
			[]string{"mkdirall .", "create .tmp-00-10", "write .tmp-00-10", "sync .tmp-00-10", "rename .tmp-00-10 00-10", "syncdir ."}},
		{func() { _, _ = more(t, l) },
			[]string{"create .tmp-10-20", "write .tmp-10-20", "sync .tmp-10-20", "rename .tmp-10-20 10-20", "syncdir ."}},
		{func() { mergeAll(t, l, MergeOptions{Fanout: 2}) },
			[]string{"create .tmp-00-20", "write .tmp-00-20", "sync .tmp-00-20", "rename .tmp-00-20 00-20", "syncdir .",
				"remove 00-10", "remove 10-20", "syncdir ."}},
		{func() {
			_, _ = more(t, l)
			_, _ = more(t, l)
			rec.Forget()
			_, _ = l.Remove(t.Context(), 30)
		}, []string{"create .tmp-begin", "write .tmp-begin", "sync .tmp-begin", "rename .tmp-begin begin", "syncdir .", "remove 00-20", "syncdir .", "remove 20-30", "syncdir ."}},
		{func() { clean(t, openLog(t, rec, dir)) }, nil},
	} {
		rec.Forget()
		step.do()
		var got []string
		for _, op := range rec.Changes() {
			got = append(got, short.Replace(op))
		}
		require.Equal(t, step.want, got)
	}
}
