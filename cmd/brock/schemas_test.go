package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The shapes refuse what is not theirs: a schema that takes everything proves nothing.
func TestSchemasRefuse(t *testing.T) {
	for name, text := range map[string]string{
		"version": `{"version":"1.0.0","go":"go1","os":"linux","arch":"amd64","more":1}`,
		"count":   `{"tables":[{"table":"jobs","records":-1}]}`,
		"list":    `{"snapshots":[],"ranges":[],"problems":[{"table":"","snapshot":"","file":"","offset":0}]}`,
		"event":   `{"type":"backup_started","id":"06H0BDY4HNM4AFGS102QQP3YZR","hub":"hub","timestamp":1}`,
		"record":  `{"table":"jobs","key_base64":"YQ==","value_base64":"","version":9007199254740992,"expires_at":null}`,
		"line":    `{"table":"jobs","key":"a"}`,
		"written": `{"table":"No","version":1}`,
		"verify":  `{"status":"ok","checked":0,"bytes":0,"duration_ms":"1","problems":[]}`,
		"health":  `{"health_status":"ok","last_backup_at":"yesterday"}`,
	} {
		_, err := checkShape(name, text)
		require.Error(t, err, name)
	}
}

// Every schema is put to work by a script, so that none rots.
func TestEverySchemaIsUsed(t *testing.T) {
	schemas, err := strictSchemas()
	require.NoError(t, err)
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	require.NoError(t, err)
	var all strings.Builder
	for _, script := range scripts {
		b, err := os.ReadFile(script)
		require.NoError(t, err)
		all.Write(b)
	}
	for name := range schemas {
		used := name == "common" || name == "demo" || // by the others, and by TestDemo
			strings.Contains(all.String(), "\nschema "+name+" ")
		require.True(t, used, "no script uses docs/schemas/%s.json", name)
	}
}
