// Package extent says how much of a long list of cases a test goes through: go test ./...
// takes a sample of it, the same one each time, and with BROCK_TESTS=all, as before a
// change lands, it takes all of it.
package extent

import "os"

// All says that tests go through all of their cases.
func All() bool { return os.Getenv("BROCK_TESTS") == "all" }

// Of returns all of the cases, or one in every: those whose turn comes with the offset,
// so that lists within lists take turns.
func Of[T any](cases []T, every, offset int) []T {
	if All() {
		return cases
	}
	var some []T
	for i := range cases {
		if (i+offset)%every == 0 {
			some = append(some, cases[i])
		}
	}
	return some
}

// Few returns the number of cases to make up.
func Few(few, all int) int {
	if All() {
		return all
	}
	return few
}
