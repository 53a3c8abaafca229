package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// fileSetting is a setting in a file, as its flag takes it, and where it stands.
type fileSetting struct {
	value string
	where string // file:line: key
}

// readConfig reads the settings of a file; of none without a path.
func readConfig(path string) (map[string]fileSetting, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("the configuration file %s does not exist; brock config sample prints one", path)
	case err != nil:
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return parseConfig(path, b)
}

// parseConfig reads the settings in a file's bytes; the path is for what is wrong.
func parseConfig(path string, b []byte) (map[string]fileSetting, error) {
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return nil, yamlError(path, err)
	}
	out := map[string]fileSetting{}
	for _, doc := range file.Docs {
		if err := readMapping(path, doc.Body, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readMapping(path string, node ast.Node, out map[string]fileSetting) error {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		return fmt.Errorf("%s:%d: expected lines such as keep: 3", path, node.GetToken().Position.Line)
	}
	for _, pair := range pairs {
		key, line := pair.Key.String(), pair.Key.GetToken().Position.Line
		if !slices.Contains(settingKeys(), key) {
			return fmt.Errorf("%s:%d: unknown key %q; the keys are %s", path, line, key, strings.Join(settingKeys(), ", "))
		}
		where := fmt.Sprintf("%s:%d: %s", path, line, key)
		if earlier, ok := out[key]; ok {
			return fmt.Errorf("%s stands there twice; the first is %s", where, earlier.where)
		}
		var v any
		if err := yaml.NodeToValue(pair.Value, &v); err != nil {
			return yamlError(path, err)
		}
		if _, several := v.([]any); several && !slices.Contains(listSettings, key) {
			return fmt.Errorf("%s: expected one value", where)
		}
		value, err := configValue(v)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		out[key] = fileSetting{value, where}
	}
	return nil
}

// yamlError begins with the file and the line, and ends with a picture of it.
func yamlError(path string, err error) error {
	text := strings.TrimSpace(yaml.FormatError(err, false, true))
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		text = fmt.Sprintf("%s:%d: %s", path, e.GetToken().Position.Line, text)
	} else {
		text = path + ": " + text
	}
	return errors.New(text)
}

func configValue(v any) (string, error) {
	switch v := v.(type) {
	case nil, map[string]any:
		return "", errors.New("expected one value or a list")
	case []any:
		var parts []string
		for _, e := range v {
			s, err := configValue(e)
			if err != nil || strings.Contains(s, ",") {
				return "", errors.New("expected a list without commas in its values")
			}
			parts = append(parts, s)
		}
		return strings.Join(parts, ","), nil
	}
	return fmt.Sprint(v), nil
}
