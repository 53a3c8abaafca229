package remote

import (
	"context"

	"github.com/brockdb/brock/app"
	"github.com/brockdb/brock/app/internal/road"
)

// TableCount is a table's number of live records, as records.count answers it.
type TableCount = road.TableCount

// LineError says which line of an import is wrong.
type LineError = road.LineError

// Import writes records from JSON lines, and returns how many when all are durable. A
// wrong line is named by a [*LineError], and then nothing is imported. Each table's
// records are committed together as far as a batch can hold them; of a key that is
// repeated the last line wins. Blank lines are passed over.
func Import(ctx context.Context, hub *app.Hub, lines []byte) (int, error) {
	return road.Of(hub).Import(ctx, lines)
}
