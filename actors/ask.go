package actors

import (
	"context"
	"fmt"

	"github.com/brockdb/brock/storage"
)

// errEnded says that an actor ended without an answer.
var errEnded = fmt.Errorf("actor: %w", storage.ErrClosed)

// answer is what an actor replies.
type answer[T any] struct {
	value T
	err   error
}

// reply is a place for one answer; giving one never blocks the actor.
type reply[T any] chan answer[T]

func newReply[T any]() reply[T] { return make(reply[T], 1) }

// give answers. Only the first answer counts, so whoever cleans up may answer again.
func (r reply[T]) give(value T, err error) {
	select {
	case r <- answer[T]{value, err}:
	default:
	}
}

// await waits for the answer, the end of ctx or the end of the actor. Messages
// that lie behind an actor's stop are dropped without a word; its end answers them.
func (r reply[T]) await(ctx context.Context, ended <-chan struct{}) (T, error) {
	select {
	case a := <-r:
		return a.value, a.err
	default:
	}
	var none T
	select {
	case a := <-r:
		return a.value, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-ended:
		select {
		case a := <-r:
			return a.value, a.err
		default:
			return none, errEnded
		}
	}
}
