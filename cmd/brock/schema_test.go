package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemasDir is where the shapes of all JSON output are written down.
var schemasDir, _ = filepath.Abs("../../docs/schemas")

// strictSchemas compiles the schemas so that they also refuse fields that they do
// not name. Published as they are, they let later versions add some.
var strictSchemas = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	files, err := filepath.Glob(filepath.Join(schemasDir, "*.json"))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	for _, file := range files {
		doc, err := readSchema(file)
		if err != nil {
			return nil, err
		}
		if err := c.AddResource(file, strict(doc)); err != nil {
			return nil, err
		}
	}
	out := map[string]*jsonschema.Schema{}
	for _, file := range files {
		if out[strings.TrimSuffix(filepath.Base(file), ".json")], err = c.Compile(file); err != nil {
			return nil, err
		}
	}
	return out, nil
})

func readSchema(file string) (map[string]any, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return doc.(map[string]any), nil
}

// strict closes the shape itself and those of the elements of its lists. What
// others refer to stays open, so that they can add to it.
func strict(schema map[string]any) map[string]any {
	schema["unevaluatedProperties"] = false
	closeItems(schema)
	return schema
}

func closeItems(v any) {
	switch v := v.(type) {
	case map[string]any:
		if items, ok := v["items"].(map[string]any); ok {
			items["unevaluatedProperties"] = false
		}
		for _, e := range v {
			closeItems(e)
		}
	case []any:
		for _, e := range v {
			closeItems(e)
		}
	}
}

// checkShape checks every JSON value of a text against a schema, and returns how
// many there are.
func checkShape(name, text string) (n int, err error) {
	schemas, err := strictSchemas()
	if err != nil {
		return 0, err
	}
	schema, ok := schemas[name]
	if !ok {
		return 0, fmt.Errorf("there is no schema %q", name)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for ; ; n++ {
		var v any
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, err
		}
		if err := schema.Validate(v); err != nil {
			return n, fmt.Errorf("%v: %w", v, err)
		}
	}
}

// cmdSchema checks a file of JSON values, stdout or stderr against a schema.
func cmdSchema(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: schema name file")
	}
	n, err := checkShape(args[0], ts.ReadFile(args[1]))
	if err == nil && n == 0 {
		err = errors.New("it holds no JSON")
	}
	if (err == nil) == neg {
		ts.Fatalf("schema %s of %s: %v (negated: %v)", args[0], args[1], err, neg)
	}
}
