package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/brockdb/brock/storage"
	"github.com/brockdb/brock/storage/disk"
)

// A sealed document is an indented JSON object whose first member is its format
// and whose last is the SHA-256 of all bytes before the hash's own digits. So every
// byte is covered, and `head -c -68 FILE | sha256sum` checks it by hand.
const (
	sealLead = ",\n  \"sha256\": \""
	sealTail = "\"\n}\n"
	sealSize = 2*sha256.Size + len(sealTail)
	// maxSealed bounds what is read into memory for one document, in bytes.
	maxSealed = 16 << 20
)

// seal renders the document and returns its bytes and its hash. doc must be a
// struct with at least one member.
func seal(doc any) (data []byte, sum string, err error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return nil, "", err
	}
	data = append(bytes.TrimSuffix(b.Bytes(), []byte("\n}\n")), sealLead...)
	sum = hashOf(data)
	data = append(append(data, sum...), sealTail...)
	if len(data) > maxSealed {
		return nil, "", fmt.Errorf("%w: a document of %d bytes, the limit is %d", storage.ErrTooLarge, len(data), maxSealed)
	}
	return data, sum, nil
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func isHash(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// sealOf checks that a document is whole and returns its hash. file is for the error.
func sealOf(data []byte, file string) (sum string, err error) {
	if len(data) < sealSize || len(data) > maxSealed {
		return "", &storage.DamageError{File: file, Problem: fmt.Sprintf("%d bytes cannot be a whole document", len(data))}
	}
	body, end := data[:len(data)-sealSize], data[len(data)-sealSize:]
	if sum = hashOf(body); string(end) != sum+sealTail {
		return "", &storage.DamageError{File: file, Problem: "does not match its own SHA-256"}
	}
	return sum, nil
}

// unseal checks a document, reads it into doc and returns its hash. file is for
// errors, which are [storage.DamageError], or [FormatError] for an intact document
// of a format above known.
func unseal(data []byte, file string, known int, doc any) (sum string, err error) {
	sum, err = sealOf(data, file)
	if err != nil {
		return "", err
	}
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil || head.Format < 1 {
		return "", &storage.DamageError{File: file, Problem: "is no document with a format", Err: err}
	}
	if head.Format > known {
		return "", &FormatError{File: file, Format: head.Format, Known: known}
	}
	if err := json.Unmarshal(data, doc); err != nil {
		return "", &storage.DamageError{File: file, Problem: "is not the document it should be", Err: err}
	}
	return sum, nil
}

// readSealed reads a document of at most maxSealed bytes. A missing file gives an
// error that matches [fs.ErrNotExist].
func readSealed(fsys disk.FS, file string, known int, doc any) (sum string, err error) {
	data, err := readBounded(fsys, file)
	if err != nil {
		return "", err
	}
	return unseal(data, file, known, doc)
}

func readBounded(fsys disk.FS, file string) ([]byte, error) {
	f, err := fsys.Open(file)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSealed+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, &storage.DamageError{File: file, Problem: "cannot be read", Err: err}
	}
	return data, nil
}

// writeSealed makes a new document, durable on return. A document of the same
// content may be there already; any other is not replaced.
func writeSealed(fsys disk.FS, file string, doc any) (sum string, err error) {
	data, sum, err := seal(doc)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	old, err := disk.ReadFile(fsys, file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", err
	case !bytes.Equal(old, data):
		return "", fmt.Errorf("%s: %w with other content", file, ErrExists)
	}
	return sum, disk.WriteAtomic(fsys, file, data)
}
