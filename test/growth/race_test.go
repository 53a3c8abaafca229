//go:build race

package growth

// underRace says that the race detector's own memory is measured along.
const underRace = true
