//go:build linux

// Package disks puts hubs on small disks of their own, and makes those disks fail: full,
// read-only, forbidden, hanging, gone, on the side of the data, of the vault, or both;
// and takes away the process's file descriptors. The hub runs in a process of its own,
// for Badger may end it. What was acknowledged is kept outside of it.
//
//	go test ./test/disks                                   # once round, in seconds
//	go test ./test/disks -v -timeout 0 -args -rounds 2000  # a long run
//	go test ./test/disks -v -run Fill -args -seed 7        # a round again
//
// The disks are ext4 images on loop devices, which need root. They are mounted in a name
// space of the test's own: when it ends, in whatever way, they are gone.
package disks

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	_ "github.com/brockdb/brock/test/roomy"
)

var (
	rounds = flag.Int("rounds", 1, "how many rounds of disks that fill up at random")
	seed   = flag.Uint64("seed", 0, "seed of the first round; 0 takes one from the clock")
)

const insideVar = "BROCK_DISKS_INSIDE"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(childVar) != "":
		child(os.Getenv(childVar))
	case os.Getenv(insideVar) != "" || os.Getuid() != 0:
		os.Exit(m.Run())
	default:
		os.Exit(inside())
	}
}

// inside runs the tests in a mount name space of their own.
func inside() int {
	runtime.LockOSThread() // which the child dies with
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return max(ended.ExitCode(), 1)
	}
	if err := os.Setenv(noMountVar, fmt.Sprintf("no mount name space of its own: %v", err)); err != nil {
		return 1
	}
	return again()
}

// noMountVar says why nothing can be mounted.
const noMountVar = "BROCK_DISKS_NO_MOUNT"

// again runs the tests, all of which say why they skip.
func again() int {
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVar+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if cmd.Run() != nil {
		return 1
	}
	return 0
}
