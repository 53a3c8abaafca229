// Package page is the dashboard: one page that answers whether the data is safe. Its
// files are embedded as they were written, there is no build step, and they hold no data:
// what the page shows it asks of the hub, with the session of whoever looks.
package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed index.html assets
var files embed.FS

// types are the content types of the files, by their names' ends. The system's own list
// is not asked: it differs from machine to machine.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is one file with what is said of it.
type file struct {
	body, kind, tag string
}

// Handler serves the page at / and its files below /assets/; anything else is 404. Each
// answer has a content type and an ETag, and browsers are told to ask each time whether
// theirs is still true. The headers that guard a page, such as its content security
// policy, are the caller's to set.
func Handler() http.Handler {
	all := load()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "" {
			name = "index.html"
		} else if !strings.HasPrefix(name, "assets/") {
			name = ""
		}
		f, ok := all[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("ETag", f.tag)
		h.Set("Cache-Control", "no-cache")
		for _, known := range strings.Split(r.Header.Get("If-None-Match"), ",") {
			if strings.TrimPrefix(strings.TrimSpace(known), "W/") == f.tag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		w.WriteHeader(http.StatusOK)
		if r.Method != http.MethodHead {
			_, _ = w.Write([]byte(f.body)) // a client that left reads nothing
		}
	})
}

// load reads the embedded files; a file of a kind without a type is not served.
func load() map[string]file {
	all := map[string]file{}
	_ = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		kind := types[path.Ext(name)]
		if err != nil || d.IsDir() || kind == "" {
			return err
		}
		b, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		all[name] = file{string(b), kind, `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	return all
}
