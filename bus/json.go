package bus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// member is one field of a JSON object. Objects are handled as slices of
// members so that their order, and numbers beyond 2^53, survive.
type member struct {
	key   string
	value json.RawMessage
}

// parseObject splits a JSON object into its members, in order.
func parseObject(data []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil {
		return nil, err
	} else if tok != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	var members []member
	seen := map[string]bool{}
	for dec.More() {
		m, err := parseMember(dec)
		if err != nil {
			return nil, err
		}
		if seen[m.key] {
			return nil, fmt.Errorf("field %q stands twice", m.key)
		}
		seen[m.key] = true
		members = append(members, m)
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("data after the JSON object")
	}
	return members, nil
}

func parseMember(dec *json.Decoder) (member, error) {
	tok, err := dec.Token()
	if err != nil {
		return member{}, err
	}
	key, ok := tok.(string)
	if !ok {
		return member{}, fmt.Errorf("unexpected %v", tok)
	}
	var value json.RawMessage
	err = dec.Decode(&value)
	return member{key: key, value: value}, err
}

// formatObject is the inverse of parseObject.
func formatObject(members []member) ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteByte('{')
	for i, m := range members {
		if i > 0 {
			buf.WriteByte(',')
		}
		key, err := encodeJSON(m.key)
		if err != nil {
			return nil, err
		}
		buf.Write(key)
		buf.WriteByte(':')
		if err := json.Compact(&buf, m.value); err != nil {
			return nil, err
		}
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil
}

// encodeJSON marshals v without HTML escaping. Bytes and raw messages are
// passed through; nil becomes an empty object.
func encodeJSON(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return []byte("{}"), nil
	case []byte:
		return v, nil
	case json.RawMessage:
		return v, nil
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// field encodes one member whose value cannot fail to marshal.
func field(key string, value any) member {
	data, err := encodeJSON(value)
	if err != nil {
		data = []byte("null")
	}
	return member{key: key, value: data}
}
