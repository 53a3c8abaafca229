package road

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// errBehind says that there is more than one JSON value.
var errBehind = errors.New("something stands behind the JSON object")

// Decode reads one JSON value and nothing behind it. Fields that v has not got are
// refused, so that a misspelt one is not ignored.
func Decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF { // d.More would take a bracket for the end
		return errBehind
	}
	return nil
}
