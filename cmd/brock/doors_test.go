package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/brockdb/brock/test/certs"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdCerts makes ca.pem, and cert.pem and key.pem for the names, in a new folder.
func cmdCerts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: certs dir name…")
	}
	ts.Check(os.Mkdir(ts.MkAbs(args[0]), 0o700))
	ca, err := certs.New(ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = ca.Sign(args[1:]...)
	ts.Check(err)
}

// cmdPrivate fails where others than the owner have any right.
func cmdPrivate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: private dir")
	}
	checked := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // the hub goes on working
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		checked++
		if info.Mode().Perm()&0o077 != 0 {
			ts.Fatalf("%s is %s", path, info.Mode())
		}
		return nil
	}))
	if checked < 10 {
		ts.Fatalf("%s has only %d entries", args[0], checked)
	}
}
