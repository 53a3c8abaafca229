package storage

import (
	"fmt"
	"regexp"
)

var (
	tableName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	hubName   = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)
)

// CheckTableName returns an error that matches [ErrInvalidName] unless name may
// name a table: 1 to 64 of a-z 0-9 . _ - with a letter or digit first. Such a name
// is always safe as the name of a folder.
func CheckTableName(name string) error {
	if tableName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%w: table %.80q: use 1 to 64 of a-z 0-9 . _ - and start with a letter or digit", ErrInvalidName, name)
}

// CheckHubName returns an error that matches [ErrInvalidName] unless name may name
// a hub: 1 to 64 of a-z 0-9 _ -.
func CheckHubName(name string) error {
	if hubName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%w: hub %.80q: use 1 to 64 of a-z 0-9 _ -", ErrInvalidName, name)
}
