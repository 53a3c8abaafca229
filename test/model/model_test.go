package model

import (
	"fmt"
	"testing"
)

// TestLives lives through lives. See the package's comment.
func TestLives(t *testing.T) {
	first, n := max(*seed, 1), *seeds
	if n == 0 {
		n = 1
	}
	for s := first; s < first+uint64(n); s++ {
		t.Run(fmt.Sprintf("seed=%d", s), func(t *testing.T) { life(t, s) })
	}
}

func life(t *testing.T, seed uint64) {
	w := newWorld(t, seed)
	for range *steps {
		w.step()
		if t.Failed() {
			return
		}
	}
	if w.away != nil {
		w.comeBack()
	}
	w.moments(6)
	w.listed()
	w.sound()
	w.h.Restart()
	w.live()
	w.listed()
}
