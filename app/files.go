package app

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/brockdb/brock/app/internal/road"
	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// Names in the data directory.
const (
	lockFile        = road.LockFile
	hubFile         = road.HubFile
	credentialsFile = road.CredentialsFile
	tablesFile      = "tables.json"
	compactionsFile = "compactions.json"
	clockFile       = "clock"
	tablesDir       = "tables"
	eventsDir       = "events"
	streamDir       = "jetstream"
	scratchDir      = road.ScratchDir
)

// registry is <data>/tables.json: the hub's identity and every table it ever had.
type registry struct {
	Format    int         `json:"format"`
	HubID     string      `json:"hub_id"`
	CreatedAt time.Time   `json:"created_at"`
	Hub       string      `json:"hub"`             // its name
	Vault     string      `json:"vault,omitempty"` // where it is, unless below the data
	Serve     []string    `json:"serve"`           // served when the configuration names none
	Tables    []tableSeen `json:"tables"`
}

type tableSeen struct {
	Table     string    `json:"table"`
	CreatedAt time.Time `json:"created_at"`
}

const registryFormat = 1

// loadRegistry reads the registry or makes a new one, which is not yet written.
// rotten says why its copy had to be read.
func loadRegistry(fsys disk.FS, data string, now time.Time) (r registry, rotten, err error) {
	path := filepath.Join(data, tablesFile)
	r, rotten, err = readTwin[registry](fsys, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		id := make([]byte, 12)
		_, _ = rand.Read(id) // crypto/rand never fails
		return registry{Format: registryFormat, HubID: hex.EncodeToString(id), CreatedAt: now.UTC()}, nil, nil
	case err != nil:
		return r, nil, &storage.DamageError{File: path, Problem: "the list of tables cannot be read, nor its copy; put one back, or remove both and name the tables with --tables", Err: err}
	case r.Format > registryFormat:
		return r, nil, fmt.Errorf("%w: %s has format %d, this Brock reads up to %d; use a newer Brock", ErrInvalid, path, r.Format, registryFormat)
	}
	for _, t := range r.Tables {
		if err := storage.CheckTableName(t.Table); err != nil {
			return r, nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return r, rotten, nil
}

func (r *registry) has(table string) bool {
	return slices.ContainsFunc(r.Tables, func(t tableSeen) bool { return t.Table == table })
}

// since returns when the table was seen first, or when the hub was made.
func (r *registry) since(table string) time.Time {
	for _, t := range r.Tables {
		if t.Table == table {
			return t.CreatedAt
		}
	}
	return r.CreatedAt
}

// remembered fills in what the configuration leaves open and the data directory
// knows from the last time: the hub's name, and where its vault is.
func (c Config) remembered() Config {
	r, _, err := loadRegistry(disk.OS, c.Data, time.Time{})
	if err != nil {
		return c // takeData reports it
	}
	if c.Name == "" {
		c.Name = r.Hub
	}
	if c.Vault == "" {
		c.Vault = r.Vault
	}
	return c
}

// saw notes tables that exist from now on: when one is not there at a later start,
// it is lost, not new.
func (r *registry) saw(tables []string, now time.Time) {
	for _, name := range tables {
		if !r.has(name) {
			r.Tables = append(r.Tables, tableSeen{Table: name, CreatedAt: now.UTC()})
		}
	}
}

func writeJSON(fsys disk.FS, path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return disk.WriteAtomic(fsys, path, append(b, '\n'))
}

// busFiles lets the bus, which does not know storage, use the hub's file system.
type busFiles struct{ disk.FS }

func (f busFiles) ReadFile(name string) ([]byte, error) { return disk.ReadFile(f.FS, name) }

func (f busFiles) WriteAtomic(name string, data []byte) error {
	return disk.WriteAtomic(f.FS, name, data)
}

func pid() int { return os.Getpid() }
