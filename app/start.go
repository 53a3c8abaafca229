package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/brockdb/brock/actors"
	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/bus"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
	"github.com/brockdb/brock/storage/vault"
)

// The steps of Open, in their order.

// takeData locks the data directory and reads what it knows.
func (h *Hub) takeData(context.Context) (err error) {
	if err := h.fs().MkdirAll(h.cfg.Data); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	h.lock, err = disk.TryLock(h.path(lockFile))
	if errors.Is(err, disk.ErrLocked) {
		return fmt.Errorf("%w: %s; stop it first, or work with it through its address (brock finds it in %s)", ErrRunning, h.cfg.Data, hubFile)
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := removeFile(h.fs(), h.path(hubFile)); err != nil { // of a hub that was killed: the lock was free
		return fmt.Errorf("data directory: %w", err)
	}
	for _, dir := range []string{h.cfg.Data, h.path(eventsDir), h.path(scratchDir)} {
		if _, err := disk.Sweep(h.fs(), dir); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	}
	if err := h.openCredentials(); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	h.closeDirectories()
	if err := h.openTLS(); err != nil {
		return err
	}
	h.doors = newDoors(h.cfg, h.creds)
	h.loadHistory()
	h.healer.load()
	rotten := error(nil)
	if h.registry, rotten, err = loadRegistry(h.fs(), h.cfg.Data, h.started); err != nil {
		return err
	}
	h.rotted(h.path(tablesFile), rotten)
	// The id must be on the disk before the vault has it.
	return writeTwin(h.fs(), h.path(tablesFile), h.registry)
}

// noteVault remembers the hub's name and where its vault is, once that could be opened: a
// mistyped place must not be the place of the next start. A look at another vault by an
// offline hub changes nothing.
func (h *Hub) noteVault() error {
	if h.cfg.Offline && h.registry.Hub != "" {
		return nil
	}
	h.registry.Hub, h.registry.Vault = h.cfg.Name, h.cfg.Vault
	if h.cfg.Vault == h.path("vault") {
		h.registry.Vault = "" // goes along when the data directory is moved
	}
	return writeTwin(h.fs(), h.path(tablesFile), h.registry)
}

// vaultError says whose the error is, where it does not say so itself.
func vaultError(err error) error {
	if strings.HasPrefix(err.Error(), "vault ") {
		return err
	}
	return fmt.Errorf("vault: %w", err)
}

func (h *Hub) openVault(context.Context) (err error) {
	owner := vault.Owner{Hub: h.cfg.Name, ID: h.registry.HubID}
	opts := vault.Options{Logger: h.log, Now: h.cfg.Wall.Now, Progress: h.vaultProgress, Store: storage.Options{MinFree: h.cfg.MinFree}}
	if hook := h.cfg.Hooks.Vault; hook != nil {
		hook(&opts)
	}
	h.vault, err = vault.Open(h.fs(), h.cfg.Vault, owner, opts)
	if err != nil {
		return vaultError(err)
	}
	if swept := h.vault.Swept(); len(swept) > 0 {
		h.log.Info("removed what an interrupted backup left in the vault", "names", swept)
	}
	return h.noteVault()
}

// openClock starts the clock above everything that the vault has seen. Tables that
// open later raise it further.
func (h *Hub) openClock(context.Context) (err error) {
	h.clock, err = storage.OpenClock(h.fs(), h.path(clockFile), h.cfg.Wall.Now)
	if errors.Is(err, ErrDamaged) {
		if err = h.passClock(err); err == nil {
			h.clock, err = storage.OpenClock(h.fs(), h.path(clockFile), h.cfg.Wall.Now)
		}
	}
	if err != nil {
		return err
	}
	v, err := h.vault.MaxVersion()
	if err != nil {
		return vaultError(err)
	}
	h.clock.Observe(v)
	return nil
}

func (h *Hub) openBus(ctx context.Context) (err error) {
	if h.cfg.Offline {
		h.spool, err = bus.OpenSpool(h.path(eventsDir), busFiles{h.fs()}, h.log)
		return err
	}
	if h.cfg.NATS == nil {
		h.server, err = bus.StartServer(ctx, bus.ServerConfig{Hub: h.cfg.Name, Addr: h.cfg.NATSAddr, TLS: h.tls(),
			WebSocket: h.cfg.WebSocket, StoreDir: h.path(streamDir), Credentials: h.creds, Logger: h.log, Subjects: h.cfg.Subjects, Refused: h.doors.refused})
		if err != nil {
			return err
		}
		if hook := h.cfg.Hooks.Server; hook != nil {
			hook(h.server)
		}
	}
	h.bus, err = bus.Open(ctx, bus.Config{Hub: h.cfg.Name, OutboxDir: h.path(eventsDir), Files: busFiles{h.fs()}, Server: h.server, Conn: h.cfg.NATS, Logger: h.log})
	if err == nil {
		h.doors.audit.sendTo(h.bus.Audit)
	}
	return err
}

// startActors starts tables and backup actor and waits for the tables.
func (h *Hub) startActors(ctx context.Context) error {
	tables, err := h.chooseTables()
	if err != nil {
		return err
	}
	schedule, err := h.cfg.schedule()
	if err != nil {
		return err
	}
	last, ok, err := h.vault.LastRun()
	if err != nil {
		h.log.Error("the last run cannot be read", "err", err)
	}
	if good, ok, err := h.vault.LastRun(vault.StatusComplete, vault.StatusPartial); err == nil && ok {
		h.backups.saw(good)
	}
	since := h.registry.CreatedAt
	if ok && last.StartedAt != nil {
		since = *last.StartedAt
	}
	system := h.cfg.System
	if system == nil {
		system = actors.NewSystem(h.log)
	}
	cfg := actors.Config{System: system, Logger: h.log, Wall: h.cfg.Wall, FS: h.fs(), Tables: tables,
		Store: storage.Options{Logger: h.log, MinFree: h.cfg.MinFree, Unsynced: h.cfg.Unsynced, Now: h.clock.Now},
		Clock: h.clock, Vault: h.vault, Hub: h.cfg.Name, Schedule: schedule, Keep: h.cfg.Keep, Rate: h.cfg.CopyRate,
		Publish: h.publish, Progress: h.progress, LastRun: since, Damaged: h.healer.damaged}
	h.shipper = h.newShipper()
	if cfg.Log = h.shipper; cfg.Log != nil {
		cfg.Window = h.cfg.LogWindow
	}
	if hook := h.cfg.Hooks.Actors; hook != nil {
		hook(&cfg)
	}
	if h.group, err = actors.Start(cfg); err != nil {
		return err
	}
	if err := h.group.Ready(ctx); err != nil {
		return err
	}
	if h.shipper != nil {
		h.shipper.Start()
	}
	return h.noteTables()
}

// noteTables remembers the tables that serve, once they exist: written before, a
// kill in between would make a table that never was look lost.
func (h *Hub) noteTables() error {
	var serving []string
	for _, t := range h.group.Tables() {
		if t.Status().State == actors.Serving {
			serving = append(serving, t.Name())
		}
	}
	h.registry.saw(serving, h.started)
	return writeTwin(h.fs(), h.path(tablesFile), h.registry)
}

// chooseTables decides which tables are served, remembers them, and decides which
// may be made: a table that has a history but no store may be on a disk that is not
// mounted, so it is made anew only with Fresh.
func (h *Hub) chooseTables() ([]actors.TableConfig, error) {
	names := h.cfg.Tables
	if len(names) == 0 {
		names = h.registry.Serve
	}
	if len(names) == 0 {
		names = DefaultTables()
	}
	h.registry.Serve = names
	inVault := map[string]bool{}
	known, err := h.vault.Tables()
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	for _, name := range known {
		inVault[name] = true
	}
	for _, name := range h.vault.Log().Tables() {
		st, _ := h.vault.Log().Last(name)
		inVault[name] = inVault[name] || st.After.Commits > 0
	}
	var tables []actors.TableConfig
	for _, name := range names {
		tables = append(tables, actors.TableConfig{Name: name, Dir: filepath.Join(h.path(tablesDir), name),
			Create: h.cfg.Fresh || !h.registry.has(name) && !inVault[name], Quarantine: h.healer.earlier(name),
			Committed: h.metrics.committed(name)})
	}
	return tables, writeTwin(h.fs(), h.path(tablesFile), h.registry)
}

// serve opens the doors: requests, HTTP, and the file by which commands find the hub.
func (h *Hub) serve(ctx context.Context) (err error) {
	p := road.Presence{Hub: h.cfg.Name, PID: pid(), StartedAt: h.started.UTC()}
	if h.cfg.HTTPAddr != "" && !h.cfg.Offline {
		if err = h.startWeb(); err != nil {
			return err
		}
		p.HTTPURL = h.web.URL()
	}
	if h.bus != nil {
		if err := h.serveRequests(); err != nil {
			return err
		}
	}
	if h.server != nil {
		p.NATSURL, p.WebSocketURL = h.server.URL(), h.server.WebSocketURL()
	}
	if h.cert != nil {
		p.TLSName, p.TLSCA = h.cert.name(), h.cfg.TLS.CA
	}
	if h.cfg.Offline {
		return nil
	}
	return writeJSON(h.fs(), h.path(hubFile), p)
}

func (h *Hub) fs() disk.FS { return h.cfg.Hooks.FS }
