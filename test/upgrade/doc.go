// Package upgrade opens, verifies and restores what every released Brock has written.
//
// testdata has, for each release that changed a format, a hub's data and vault as the
// release closed them, and as a kill left them, with an account of what they hold. A
// release makes its own with
//
//	go test ./test/upgrade -args -write
//
// and from then on they never change.
package upgrade
