package vault

import (
	"fmt"
	"sync"

	"github.com/brockdb/brock/storage"
)

// readManifest reads and checks the manifest of a snapshot under a final name. Its files
// are not to be changed: others have them, too.
func (v *Vault) readManifest(table, name string) (m Manifest, sum string, err error) {
	file := v.path(tablesName, table, snapsName, name, manifestName)
	m, sum, err = v.parseManifest(file)
	if isMissing(err) {
		err = &storage.DamageError{File: file, Problem: "is missing", Err: err}
	}
	if err == nil {
		problem := m.problem(table, name)
		if problem == "" && v.mark.Vault != "" && m.Vault != v.mark.Vault {
			problem = fmt.Sprintf("manifest is of another vault, %.40q", m.Vault)
		}
		if problem != "" {
			err = &storage.DamageError{File: file, Problem: problem}
		}
	}
	return m, sum, inTable(err, table)
}

// parseManifest reads all of the file and checks its seal each time. That of a large
// table is parsed once only: a run reads it half a dozen times.
func (v *Vault) parseManifest(file string) (m Manifest, sum string, err error) {
	data, err := readBounded(v.fs, file)
	if err == nil {
		sum, err = sealOf(data, file)
	}
	if err != nil {
		return m, "", err
	}
	if m, ok := v.parsed.get(file, sum); ok {
		return m, sum, nil
	}
	if _, err = unseal(data, file, manifestFormat, &m); err != nil {
		return Manifest{}, "", err
	}
	v.parsed.put(file, sum, m)
	return m, sum, nil
}

const (
	parsedMin = 64     // files; smaller manifests are as quickly parsed
	parsedMax = 20_000 // files in all, a few megabytes
)

// parsedManifests keeps large manifests as they were parsed, by the file that they are
// in and their hash.
type parsedManifests struct {
	mu    sync.Mutex
	docs  map[string]parsedManifest
	files int
}

type parsedManifest struct {
	sum string
	m   Manifest
}

func (p *parsedManifests) get(file, sum string) (Manifest, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, ok := p.docs[file]
	return d.m, ok && d.sum == sum
}

func (p *parsedManifests) put(file, sum string, m Manifest) {
	if len(m.Files) < parsedMin {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.files += len(m.Files); p.docs == nil || p.files > parsedMax {
		p.docs, p.files = map[string]parsedManifest{}, len(m.Files)
	}
	p.docs[file] = parsedManifest{sum, m}
}
