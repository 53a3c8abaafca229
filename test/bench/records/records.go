// Package records generates the table that Brock and its peers are measured on:
// JSON-like records of 100 B to 1 KiB, 580 B in the mean, the same in every run.
package records

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// MeanBytes is about what a record has in key and value.
const MeanBytes = 583

// Key returns the i-th record's key. Neighbours in number are far apart in order, as
// random ids are.
func Key(i int) []byte { return fmt.Appendf(nil, "task/%016x", mix(uint64(i))) }

// Value returns the i-th record's value of the generation; generations differ in
// content and in length.
func Value(i, generation int) []byte {
	seed := mix(uint64(i)<<20 + uint64(generation))
	rng := rand.New(rand.NewPCG(seed, 1))
	size := 100 + rng.IntN(1024-100+1)
	b := make([]byte, 0, size+40)
	b = fmt.Appendf(b, `{"id":"%016x","status":%q,"agent":"agent-%03d","body":"`, mix(uint64(i)), status[rng.IntN(len(status))], rng.IntN(200))
	for len(b) < size-2 {
		b = append(append(b, word[rng.IntN(len(word))]...), ' ')
	}
	return append(b[:size-2], `"}`...)
}

// mix spreads the bits of a number (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

var status = []string{"queued", "assigned", "working", "done", "failed", "dead"}

// word has 1,000 made-up words, so that text shrinks about as much as text does.
var word = func() (words []string) {
	rng := rand.New(rand.NewPCG(2, 3))
	for range 1000 {
		var b []byte
		for range 2 + rng.IntN(9) {
			b = append(b, "etaoinshrdlucmfwypvbgkjqxz"[rng.IntN(1+rng.IntN(26))])
		}
		words = append(words, string(b))
	}
	return words
}()

// Changes returns which of n records a round changes: share of them, at random.
func Changes(n int, share float64, round int) []int {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(round))
	rng := rand.New(rand.NewChaCha8(seed))
	return rng.Perm(n)[:int(float64(n)*share)]
}
