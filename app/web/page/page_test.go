package page

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func get(t *testing.T, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestTheFilesAreServed(t *testing.T) {
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/assets/app.css": "text/css; charset=utf-8",
		"/assets/main.js": "text/javascript; charset=utf-8", "/assets/icon.svg": "image/svg+xml",
	} {
		w := get(t, "GET", path)
		require.Equal(t, http.StatusOK, w.Code, path)
		require.Equal(t, kind, w.Header().Get("Content-Type"))
		require.NotEmpty(t, w.Body.String())
		tag := w.Header().Get("ETag")
		require.NotEmpty(t, tag)
		again := get(t, "GET", path, "If-None-Match", `"other", W/`+tag)
		require.Equal(t, http.StatusNotModified, again.Code)
		require.Empty(t, again.Body.String())
		require.Empty(t, get(t, "HEAD", path).Body.String())
	}
	for _, path := range []string{"/index.html", "/assets", "/assets/", "/assets/nothing.js", "/page.go", "/assets/../page.go"} {
		require.Equal(t, http.StatusNotFound, get(t, "GET", path).Code, path)
	}
}

// files calls see with each embedded file.
func eachFile(t *testing.T, see func(name, body string)) {
	t.Helper()
	require.NoError(t, fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := files.ReadFile(name)
		see(name, string(b))
		return err
	}))
}

func TestThePageIsSmall(t *testing.T) {
	total := 0
	eachFile(t, func(name, body string) {
		total += len(body)
		require.Less(t, strings.Count(body, "\n"), 300, name)
	})
	require.Less(t, total, 100_000)
	require.Greater(t, total, 10_000)
}

// What a content security policy without inline code refuses, and what would let data
// become markup, is not in the files; nor is anything that is fetched from elsewhere.
func TestNothingInlineAndNothingFromElsewhere(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?:>|[^>]*>[^<])`)
	markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|createContextualFragment`)
	elsewhere := regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9-]+\.[a-z]`)
	imports := regexp.MustCompile(`from "([^"]+)"`)
	eachFile(t, func(name, body string) {
		if strings.HasSuffix(name, ".html") {
			require.NotRegexp(t, inline, body, name)
		}
		if strings.HasSuffix(name, ".js") {
			require.NotRegexp(t, markup, body, name)
			for _, m := range imports.FindAllStringSubmatch(body, -1) {
				_, err := files.Open("assets/" + strings.TrimPrefix(m[1], "./"))
				require.NoError(t, err, "%s imports %s", name, m[1])
			}
		}
		found := elsewhere.FindString(strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""))
		require.Empty(t, found, name)
	})
}
