// Package soak holds a hub under load for an hour, or as long as it is told to, and
// holds it to a model all the while: thirteen tables written to at a steady pace,
// backed up every half minute, compacted, restored and killed at random, and every
// minute restored as a whole to some moment of its past and compared.
//
//	go test -count=1 -timeout 0 -v ./test/soak -args -for 60m -out DIR
//
// The hub runs in a process of its own; this one keeps the account of what was
// acknowledged, and looks at the other from outside. It leaves a picture of the time
// and a summary in DIR.
package soak
