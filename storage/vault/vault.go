package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
)

// Owner is the hub that a vault belongs to. ID tells hubs of one name apart; a hub
// that lost its data has a new one, and may go on with its vault.
type Owner struct{ Hub, ID string }

var ownerID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (o Owner) check() error {
	if !ownerID.MatchString(o.ID) {
		return fmt.Errorf("hub id %.80q: %w: use 1 to 64 of A-Z a-z 0-9 _ -", o.ID, storage.ErrInvalid)
	}
	return storage.CheckHubName(o.Hub)
}

// Options of [Open]; the zero value works.
type Options struct {
	Logger *slog.Logger     // default: discard
	Now    func() time.Time // default: time.Now
	// Progress is told, on the callers' goroutines and now and then, how many bytes of
	// a table's keys and values a verify or drill (the stage) has read; nil: nobody is.
	Progress func(stage, table string, done, total int64)
	// Store says, by its MinFree and Free, how much of a disk is kept back where a store
	// is built.
	Store storage.Options
	// Lock takes the exclusive lock on the named file, or fails with [disk.ErrLocked].
	// Default: [disk.TryLock], which works on the real file system only.
	Lock func(file string) (unlock func() error, err error)
	// ImageMin and ChainMin, in bytes, are for tests with small tables: from which
	// size on files are copied, and from which a snapshot may be a base; 0: as usual.
	ImageMin, ChainMin int64
}

// Vault is an open vault.
type Vault struct {
	fs       disk.FS
	dir      string
	mark     marker // empty where it is damaged; then open for reading only
	earlier  string
	log      *slog.Logger
	now      func() time.Time
	progress func(stage, table string, done, total int64)
	space    storage.Options
	build    func(ctx context.Context, dir, table string, entries iter.Seq2[storage.Entry, error], want storage.Ledger) error
	partSize int64 // a snapshot's file is closed when it reaches this many bytes
	imageMin int64 // see the constants
	chainMin int64
	readOnly bool
	unlock   func() error
	swept    []string
	changes  *changelog.Log

	retaining sync.Mutex   // one retention at a time
	pooling   sync.RWMutex // held for writing while a pool is cleaned

	mu      sync.Mutex
	closed  bool
	busy    sync.WaitGroup  // writing calls
	held    map[string]int  // snapshots in use, by table/name
	leaving map[string]bool // snapshots being removed

	pools     map[liveFile]pooled // what live files are in the pool
	instances map[string]string   // the open store of each table
	rotten    map[string]bool     // snapshots that were found damaged, by table/name

	parsed parsedManifests
}

func newVault(fsys disk.FS, dir string, o Options) *Vault {
	v := &Vault{fs: fsys, dir: dir, log: o.Logger, now: o.Now, progress: o.Progress, space: o.Store, build: o.Store.Build, partSize: 1 << 30,
		imageMin: cmp.Or(o.ImageMin, imageMin), chainMin: cmp.Or(o.ChainMin, chainMinBase),
		held: map[string]int{}, leaving: map[string]bool{},
		pools: map[liveFile]pooled{}, instances: map[string]string{}, rotten: map[string]bool{}}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if v.now == nil {
		v.now = time.Now
	}
	return v
}

// ID returns the vault's random id, "" where brock.json is damaged.
func (v *Vault) ID() string { return v.mark.Vault }

// Dir returns the vault's folder.
func (v *Vault) Dir() string { return v.dir }

// Log returns the hub's change log.
func (v *Vault) Log() *changelog.Log { return v.changes }

// Owner returns the hub that owns the vault.
func (v *Vault) Owner() Owner { return Owner{v.mark.Hub, v.mark.HubID} }

// EarlierOwner returns the id of the hub that owned the vault until this [Open],
// "" where it is the same one.
func (v *Vault) EarlierOwner() string { return v.earlier }

// Swept returns the temporary names, inside the vault, that [Open] removed.
func (v *Vault) Swept() []string { return v.swept }

// Close waits for writing calls and frees the vault for another owner. It may be
// called again.
func (v *Vault) Close() error {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return nil
	}
	v.closed = true
	v.mu.Unlock()
	v.busy.Wait()
	if v.unlock == nil {
		return nil
	}
	return v.unlock()
}

// enter admits a writing call; leave ends it.
func (v *Vault) enter() (leave func(), err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.readOnly {
		return nil, fmt.Errorf("vault %s: %w: open it as its owner", v.dir, ErrReadOnly)
	}
	if v.closed {
		return nil, fmt.Errorf("vault %s: %w", v.dir, storage.ErrClosed)
	}
	v.busy.Add(1)
	return v.busy.Done, nil
}

// present is the wall clock as documents show it.
func (v *Vault) present() time.Time { return v.now().UTC().Truncate(time.Millisecond) }

// isMissing says that a file or folder does not exist.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
