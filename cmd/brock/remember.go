package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// remembered is what the hub's last start left in tables.json.
type remembered struct {
	Hub    string   `json:"hub"`
	Vault  string   `json:"vault"`
	Serve  []string `json:"serve"`
	Tables []struct {
		Table string `json:"table"`
	} `json:"tables"`
}

// remember reads tables.json; it is empty where there is none.
func (c *cli) remember() (r remembered) {
	if b, err := os.ReadFile(filepath.Join(c.data, "tables.json")); err == nil {
		_ = json.Unmarshal(b, &r)
	}
	return r
}

// knownTables are the tables that the data directory ever had, those that are served
// first.
func (c *cli) knownTables() []string {
	r := c.remember()
	names := slices.Clone(r.Serve)
	for _, t := range r.Tables {
		if !slices.Contains(names, t.Table) {
			names = append(names, t.Table)
		}
	}
	return names
}

// vaultDir is the vault that the hub would use.
func (c *cli) vaultDir() string {
	switch {
	case c.vault != "":
		return c.vault
	case c.remember().Vault != "":
		return c.remember().Vault
	}
	return filepath.Join(c.data, "vault")
}
