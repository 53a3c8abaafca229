// Package disktest has file systems for tests of what Brock promises about disks.
//
// A [Mem] is a file system in memory. A [Recorder] takes down all that is changed on a
// file system below it; of what it took down, [Recorder.Cuts] makes the state after a
// power cut at any moment: what was not synced is gone, there, or there in part. A [Tap]
// sees each call before it is made and can let it fail.
package disktest
