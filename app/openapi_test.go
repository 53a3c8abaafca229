package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/web"
	"github.com/brockdb/brock/bus"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

var updateOpenAPI = flag.Bool("update", false, "write the schemas of docs/schemas into openapi.json")

const openAPIFile = "openapi.json"

// object returns what stands in a document at a path of keys; nil where there is nothing.
func object(v any, keys ...string) map[string]any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	m, _ := v.(map[string]any)
	return m
}

var openAPI = sync.OnceValues(func() (doc map[string]any, err error) {
	b, err := os.ReadFile(openAPIFile)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(b, &doc)
	return doc, err
})

// documented is the path of a route as OpenAPI writes it.
func documented(path string) string {
	return strings.ReplaceAll(path, "{$}", "")
}

// Every route is in the document as it is, and the document has no others.
func TestOpenAPIHasTheRoutes(t *testing.T) {
	doc, err := openAPI()
	require.NoError(t, err)
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables = []string{"a"}
	c := overHTTP(t, cfg)
	seen := map[string]bool{}
	for _, r := range c.h.HTTPRoutes() {
		what := r.Method + " " + documented(r.Path)
		seen[what] = true
		op := object(doc, "paths", documented(r.Path), strings.ToLower(r.Method))
		require.NotNil(t, op, "%s is not in openapi.json", what)
		checkOperation(t, what, r, op)
	}
	for path := range object(doc, "paths") {
		for method := range object(doc, "paths", path) {
			require.True(t, seen[strings.ToUpper(method)+" "+path], "%s %s is in openapi.json and nowhere else", method, path)
		}
	}
	require.Equal(t, "3.1.0", c.good(app.Viewer, "GET", "/api/openapi.json", "")["openapi"])
}

func checkOperation(t *testing.T, what string, r web.Route, op map[string]any) {
	t.Helper()
	role, security := string(r.Role), 2
	if r.Role == "" {
		role, security = "none", 0
	}
	require.Equal(t, role, op["x-role"], what)
	require.Len(t, op["security"], security, what)
	require.NotEmpty(t, op["summary"], what)
	var inPath []string
	params, _ := op["parameters"].([]any)
	for _, p := range params {
		if p := p.(map[string]any); p["in"] == "path" {
			inPath = append(inPath, p["name"].(string))
		}
	}
	for _, part := range strings.Split(documented(r.Path), "/") {
		if name, is := strings.CutPrefix(part, "{"); is {
			require.Contains(t, inPath, strings.TrimSuffix(name, "}"), what)
			inPath = inPath[1:]
		}
	}
	require.Empty(t, inPath, what)
	statuses := object(op, "responses")
	must := []string{"403"}
	if r.Role != "" {
		must = append(must, "401")
	}
	if r.Trigger {
		must = append(must, "200", "400", "413", "429", "500")
	}
	for _, status := range must {
		require.Contains(t, statuses, status, what)
	}
}

// What several documents describe is described in one place: docs/schemas.
func TestOpenAPIHasTheSchemas(t *testing.T) {
	b, err := os.ReadFile(openAPIFile)
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(b, &doc))
	schemas := object(doc, "components", "schemas")
	shared := 0
	for name := range schemas {
		file, err := os.ReadFile(filepath.Join("..", "docs", "schemas", name+".json"))
		if err != nil {
			continue // the document's own
		}
		shared++
		var schema any
		require.NoError(t, json.Unmarshal(file, &schema))
		schema = asComponent(schema, name)
		if *updateOpenAPI {
			schemas[name] = schema
			continue
		}
		require.Equal(t, schema, schemas[name], "docs/schemas/%s.json has changed; go test ./app -run OpenAPI -update takes it over", name)
	}
	require.Greater(t, shared, 8)
	if *updateOpenAPI {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		require.NoError(t, enc.Encode(doc))
		require.NoError(t, os.WriteFile(openAPIFile, out.Bytes(), 0o644))
	}
}

// asComponent is a schema with references to components in place of files.
func asComponent(v any, own string) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "$schema")
		for k, e := range v {
			if ref, is := e.(string); is && k == "$ref" {
				file, at, _ := strings.Cut(ref, "#")
				if file = strings.TrimSuffix(file, ".json"); file == "" {
					file = own
				}
				v[k] = "#/components/schemas/" + file + at
				continue
			}
			v[k] = asComponent(e, own)
		}
	case []any:
		for i := range v {
			v[i] = asComponent(v[i], own)
		}
	}
	return v
}

// Every schema of the document can be used, the unused ones too.
func TestOpenAPISchemasCompile(t *testing.T) {
	doc, err := openAPI()
	require.NoError(t, err)
	for name := range object(doc, "components", "schemas") {
		schemaAt(t, "components", "schemas", name)
	}
}

// schemaAt compiles the schema that stands at a place of the document.
func schemaAt(t *testing.T, keys ...string) *jsonschema.Schema {
	t.Helper()
	doc, err := openAPI()
	require.NoError(t, err)
	b, err := json.Marshal(doc)
	require.NoError(t, err)
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	require.NoError(t, c.AddResource("openapi.json", parsed))
	for i, k := range keys {
		keys[i] = url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(k))
	}
	s, err := c.Compile("openapi.json#/" + strings.Join(keys, "/"))
	require.NoError(t, err)
	return s
}

// conforms checks an answer against the document: its status, its content type and, of
// JSON, its shape.
func conforms(t *testing.T, h *app.Hub, method, path string, resp *http.Response, body []byte) {
	t.Helper()
	template := templateOf(h, method, path)
	if template == "" {
		return // there is no such route
	}
	doc, err := openAPI()
	require.NoError(t, err)
	status := strconv.Itoa(resp.StatusCode)
	at := []string{"paths", template, strings.ToLower(method), "responses", status}
	answer := object(doc, at...)
	require.NotNil(t, answer, "%s %s answered %s, which openapi.json does not know: %s", method, path, status, body)
	if ref, is := answer["$ref"].(string); is {
		at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
		answer = object(doc, at...)
	}
	content := object(answer, "content")
	if content == nil {
		require.Empty(t, body, "%s %s %s", method, path, status)
		return
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Contains(t, content, kind, "%s %s %s", method, path, status)
	if kind != "application/json" {
		return
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, schemaAt(t, append(at, "content", kind, "schema")...).Validate(v), "%s %s %s: %s", method, path, status, body)
}

// templateOf returns the documented path of the route that answers; "" where there is none.
func templateOf(h *app.Hub, method, path string) string {
	mux := http.NewServeMux()
	for _, r := range h.HTTPRoutes() {
		if r.Method == method {
			mux.Handle(r.Path, http.NotFoundHandler())
		}
	}
	r, err := http.NewRequest(method, path, nil)
	if err != nil {
		return ""
	}
	_, pattern := mux.Handler(r)
	return documented(pattern)
}

// Each status that every route can give without work is given, and is as it is written.
func TestAnswersAreAsDocumented(t *testing.T) {
	cfg := quiet(filepath.Join(t.TempDir(), "data"))
	cfg.Tables = []string{"a"}
	c := overHTTP(t, cfg)
	_, err := c.h.Backup(context.Background())
	require.NoError(t, err)
	for _, r := range c.h.HTTPRoutes() {
		path := strings.NewReplacer("{id}", "nope", "{table}", "a", "{$}", "", "{file}", "nope").Replace(r.Path)
		for _, role := range append([]app.Role{""}, bus.Roles()...) {
			if r.Stream && role != "" {
				continue
			}
			for _, body := range []string{"", `{"no":1}`} {
				req, err := http.NewRequest(r.Method, c.h.HTTPURL()+path, strings.NewReader(body))
				require.NoError(t, err)
				if cred, known := c.h.Credentials().Role(role); known {
					req.Header.Set("Authorization", "Bearer "+cred.Token)
				}
				resp, err := http.DefaultClient.Do(req)
				require.NoError(t, err)
				var got bytes.Buffer
				_, err = got.ReadFrom(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				conforms(t, c.h, r.Method, path, resp, got.Bytes())
				checkBody(t, r, body, resp.StatusCode)
			}
		}
	}
}

// checkBody checks that a body which the document refuses is refused.
func checkBody(t *testing.T, r web.Route, body string, status int) {
	t.Helper()
	doc, err := openAPI()
	require.NoError(t, err)
	at := []string{"paths", documented(r.Path), strings.ToLower(r.Method), "requestBody", "content", "application/json", "schema"}
	if body == "" || object(doc, at...) == nil {
		return
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	require.NoError(t, err)
	require.Error(t, schemaAt(t, slices.Clone(at)...).Validate(v))
	require.GreaterOrEqual(t, status, 400, "%s %s took %s", r.Method, r.Path, body)
}
