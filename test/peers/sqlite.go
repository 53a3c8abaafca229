package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/brockdb/brock/test/bench/records"
	"modernc.org/sqlite"
)

type sqliteStore struct{ db *sql.DB }

func openSQLite(file string) (store, error) {
	db, err := sql.Open("sqlite", file+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=cache_size(-65536)")
	if err == nil {
		_, err = db.Exec("create table if not exists tasks (key blob primary key, value blob) without rowid")
	}
	return sqliteStore{db}, err
}

func (s sqliteStore) put(keys, values [][]byte) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	insert, err := tx.Prepare("insert or replace into tasks values (?, ?)")
	for i := 0; i < len(keys) && err == nil; i++ {
		_, err = insert.Exec(keys[i], values[i])
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// backup is what .backup does: SQLite's online backup.
func (s sqliteStore) backup(to string) error {
	conn, err := s.db.Conn(context.Background())
	if err != nil {
		return err
	}
	err = conn.Raw(func(c any) error {
		from, ok := c.(interface {
			NewBackup(string) (*sqlite.Backup, error)
		})
		if !ok {
			return fmt.Errorf("%T has no backup", c)
		}
		b, err := from.NewBackup(to)
		for more := err == nil; more && err == nil; {
			more, err = b.Step(-1)
		}
		if b != nil {
			err = errors.Join(err, b.Finish())
		}
		return err
	})
	return errors.Join(err, conn.Close(), syncFile(to))
}

func (s sqliteStore) check(file string) error {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	var value []byte
	err = db.QueryRow("select value from tasks where key = ?", records.Key(0)).Scan(&value)
	return errors.Join(err, db.Close())
}

func (s sqliteStore) close() error { return s.db.Close() }
