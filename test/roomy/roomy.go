// Package roomy lets Go's collector come less often in a test that imports it, which has
// no other effect. Tests open stores by the thousand, each with 16 MiB for a memtable, so
// that by default collecting is half of the processor time that the tests of package app
// take. Tests that measure memory do without.
package roomy

import "runtime/debug"

func init() { debug.SetGCPercent(400) }
