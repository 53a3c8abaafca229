package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/brockdb/brock/bus"
	"github.com/stretchr/testify/require"
)

var updateEvents = flag.Bool("update-events", false, "add what is new in the events' schemas to their golden file")

// goldenEvents is what subscribers were promised: a line for each field of each event.
const goldenEvents = "testdata/events.golden"

// promise is what a schema says of a field, for one who reads it.
type promise struct {
	required bool
	types    []string // empty: any
	enum     []string // empty: any
	more     string   // format and pattern
}

func (p promise) String() string {
	out := []string{"optional"}
	if p.required {
		out[0] = "always"
	}
	if len(p.types) > 0 {
		out = append(out, strings.Join(p.types, "|"))
	}
	if len(p.enum) > 0 {
		out = append(out, "one of "+strings.Join(p.enum, ", "))
	}
	return strings.Join(append(out, p.more), " ")
}

// schemaWalk flattens schemas into promises by path.
type schemaWalk struct {
	t    *testing.T
	docs map[string]map[string]any
	out  map[string]promise
}

// resolve follows a reference of a document.
func (w *schemaWalk) resolve(doc, ref string) (string, map[string]any) {
	w.t.Helper()
	file, path, _ := strings.Cut(ref, "#")
	if file == "" {
		file = doc
	}
	if w.docs[file] == nil {
		d, err := readSchema(filepath.Join(schemasDir, file))
		require.NoError(w.t, err)
		w.docs[file] = d
	}
	var at any = w.docs[file]
	for _, part := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
		if part != "" {
			at = at.(map[string]any)[part]
		}
	}
	found, ok := at.(map[string]any)
	require.True(w.t, ok, "%s of %s leads nowhere", ref, doc)
	return file, found
}

func texts(v any) (out []string) {
	switch v := v.(type) {
	case nil:
	case []any:
		for _, e := range v {
			out = append(out, fmt.Sprint(e))
		}
	default:
		out = []string{fmt.Sprint(v)}
	}
	slices.Sort(out)
	return out
}

// walk adds what a schema says at a path to what is known; what was said before and is
// narrower stays.
func (w *schemaWalk) walk(doc, path string, s map[string]any) {
	w.t.Helper()
	if ref, ok := s["$ref"].(string); ok {
		file, found := w.resolve(doc, ref)
		w.walk(file, path, found)
	}
	p := w.out[path]
	if types := texts(s["type"]); len(types) > 0 {
		p.types = types
	}
	if enum := append(texts(s["enum"]), texts(s["const"])...); len(enum) > 0 {
		p.enum = enum
	}
	for _, key := range []string{"format", "pattern"} {
		if text := fmt.Sprintf("%s %v ", key, s[key]); s[key] != nil && !strings.Contains(p.more, text) {
			p.more += text
		}
	}
	w.out[path] = p
	properties, _ := s["properties"].(map[string]any)
	for name, sub := range properties {
		w.walk(doc, path+"."+name, sub.(map[string]any))
	}
	for _, name := range texts(s["required"]) {
		p := w.out[path+"."+name]
		p.required = true
		w.out[path+"."+name] = p
	}
	if items, ok := s["items"].(map[string]any); ok {
		w.walk(doc, path+"[]", items)
		p := w.out[path+"[]"]
		p.required = true
		w.out[path+"[]"] = p
	}
}

// promises are those of every event, and of progress.
func promises(t *testing.T) map[string]promise {
	t.Helper()
	w := &schemaWalk{t: t, docs: map[string]map[string]any{}, out: map[string]promise{}}
	_, event := w.resolve("event.json", "event.json#")
	types := texts(event["properties"].(map[string]any)["type"].(map[string]any)["enum"])
	var declared []string
	for _, typ := range bus.EventTypes() {
		declared = append(declared, string(typ))
	}
	slices.Sort(declared)
	require.Equal(t, declared, types, "docs/schemas/event.json has every type of event")
	then := map[string]map[string]any{}
	for _, c := range event["allOf"].([]any) {
		c := c.(map[string]any)
		typ := c["if"].(map[string]any)["properties"].(map[string]any)["type"].(map[string]any)["const"].(string)
		then[typ] = c["then"].(map[string]any)
	}
	for _, typ := range types {
		require.NotEmpty(t, then[typ], "docs/schemas/event.json says nothing of %s", typ)
		w.walk("event.json", typ, map[string]any{"type": "object", "required": event["required"], "properties": event["properties"]})
		w.walk("event.json", typ, then[typ])
		own := w.out[typ+".type"]
		own.enum = []string{typ}
		w.out[typ+".type"] = own
	}
	_, progress := w.resolve("progress.json", "progress.json#")
	w.walk("progress.json", "progress", progress)
	return w.out
}

// What was promised of events stays: no field goes, none becomes optional, none gets
// another type or a value that a reader cannot know. New fields and events are added to
// the golden file with: go test ./cmd/brock -run TestEventsStayCompatible -update-events.
// Who must break a promise edits the golden file by hand, and says so in the changelog.
func TestEventsStayCompatible(t *testing.T) {
	now := promises(t)
	b, err := os.ReadFile(goldenEvents)
	require.NoError(t, err)
	kept := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		path, was, ok := strings.Cut(strings.TrimSpace(line), ": ")
		require.True(t, ok, line)
		p, still := now[path]
		require.True(t, still, "%s was promised and is gone", path)
		require.Equal(t, was, strings.TrimSpace(p.String()), "%s is no longer what was promised", path)
		kept[path] = true
	}
	var lines, added []string
	for path, p := range now {
		lines = append(lines, path+": "+strings.TrimSpace(p.String())+"\n")
		if !kept[path] {
			added = append(added, path)
		}
	}
	slices.Sort(lines)
	if *updateEvents {
		require.NoError(t, os.WriteFile(goldenEvents, []byte(strings.Join(lines, "")), 0o644))
		return
	}
	slices.Sort(added)
	require.Empty(t, added, "new, and not in %s yet; see above", goldenEvents)
}

// Events as this version and those before it published them are events for ever.
func TestEventsOfBeforeAreEvents(t *testing.T) {
	b, err := os.ReadFile("testdata/events.jsonl")
	require.NoError(t, err)
	n, err := checkShape("event", string(b))
	require.NoError(t, err)
	seen := map[bus.EventType]bool{}
	for line := range strings.Lines(string(b)) {
		var e bus.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		seen[e.Type] = true
	}
	require.Equal(t, len(bus.EventTypes()), len(seen), "one of each type, of %d: %v", n, seen)
}
