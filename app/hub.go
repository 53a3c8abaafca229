package app

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app/alert"
	"github.com/brockdb/brock/app/web"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/changelog"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
)

// Release is the version of this Brock.
const Release = "0.1.0"

// Hub is a running hub: tables, backup actor and bus of one process. Its methods
// may be called from any goroutine.
type Hub struct {
	cfg      Config
	log      *slog.Logger
	lock     *disk.Lock
	registry registry
	credsMu  sync.Mutex
	creds    bus.Credentials // guarded by credsMu once the hub serves
	clock    *storage.Clock
	vault    *vault.Vault
	shipper  *changelog.Shipper // nil: no change log
	server   *bus.Server
	bus      *bus.Bus
	spool    *bus.Spool // takes the events of an offline hub
	group    *actors.Group
	web      *web.Server
	doors    *doors
	cert     *certificate // nil: no TLS
	cursors  *cursors
	pasts    *pasts
	healer   *healer
	scrubs   scrubbed // the keeper's
	metrics  *metrics
	lookups  lookups       // for scrapes
	backedUp chan struct{} // wakes the keeper
	started  time.Time

	compacting chan struct{} // holds one token: one compaction at a time
	historyMu  sync.Mutex
	history    []Compaction // a new slice with each compaction

	looks   looker[vaultLook]
	backups lastBackup
	alarms  *alert.Sender // nil: on an offline hub

	ready   chan struct{} // closed when the hub serves
	closing chan struct{}
	life    context.Context // of work under way; ends when the hub closes
	end     context.CancelFunc
	ops     sync.WaitGroup
	opsMu   sync.Mutex
	once    sync.Once
	err     error
}

// Open opens a hub and returns when its tables are open or have been found
// unavailable. Errors match [ErrRunning], [ErrInvalid], [ErrInvalidName],
// [ErrAddrInUse], [ErrVaultInUse], [ErrVaultForeign] and [ErrNoSpace] among others; then
// nothing is left running. A single table that cannot be opened is no error: see
// [Hub.Health].
func Open(ctx context.Context, cfg Config) (*Hub, error) {
	if cfg.Data != "" {
		cfg = cfg.remembered()
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	if err := cfg.absolute(); err != nil {
		return nil, err
	}
	if cfg.Hooks.FS == disk.OS {
		cfg.Hooks.FS = disk.Below(cfg.Data, cfg.Vault)
	}
	h := &Hub{cfg: cfg, log: cfg.Logger.With("hub", cfg.Name), started: cfg.Wall.Now(),
		ready: make(chan struct{}), closing: make(chan struct{}), backedUp: make(chan struct{}, 1)}
	h.life, h.end = context.WithCancel(context.WithoutCancel(ctx))
	h.metrics = newMetrics(h)
	h.compacting = make(chan struct{}, 1)
	h.cursors = newCursors(cfg.Wall)
	h.healer = newHealer(h)
	h.looks.look, h.looks.begin = h.lookAtVault, h.beginLook
	h.pasts = newPasts(h.path(scratchDir), cfg, func() Version { return h.clock.Now() })
	for _, step := range []func(context.Context) error{h.takeData, h.openVault, h.openClock, h.openBus, h.openAlarms, h.startActors, h.serve} {
		if err := step(ctx); err != nil {
			shutCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			return nil, storage.Named(errors.Join(err, h.Close(shutCtx)))
		}
	}
	close(h.ready)
	h.healer.start()
	h.startKeeper()
	h.startCompactor()
	h.startWatch()
	return h, nil
}

// closeTimeout bounds cleaning up after an Open that failed.
const closeTimeout = 30 * time.Second

func (h *Hub) path(name string) string { return filepath.Join(h.cfg.Data, name) }

// isReady says whether the hub serves: it is open and does not close.
func (h *Hub) isReady() bool {
	select {
	case <-h.closing:
		return false
	default:
	}
	select {
	case <-h.ready:
		return true
	default:
		return false
	}
}

// NATSURL returns the embedded server's address, "" where there is none.
func (h *Hub) NATSURL() string {
	if h.server == nil {
		return ""
	}
	return h.server.URL()
}

// WebSocketURL returns where browsers speak NATS, "" where they cannot.
func (h *Hub) WebSocketURL() string {
	if h.server == nil {
		return ""
	}
	return h.server.WebSocketURL()
}

// HTTPURL returns the address of the HTTP listener, "" where there is none.
func (h *Hub) HTTPURL() string {
	if h.web == nil {
		return ""
	}
	return h.web.URL()
}

// Name returns the hub's name.
func (h *Hub) Name() string { return h.cfg.Name }
