package bus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// streamIndex is the file in which nats-server keeps what it knows of a stream's records.
const streamIndex = "index.db"

// streamDir is where the event stream's records lie.
func (s *Server) streamDir() string {
	return filepath.Join(s.cfg.StoreDir, natsserver.JetStreamStoreDir, natsserver.DEFAULT_GLOBAL_ACCOUNT, "streams", StreamName, "msgs")
}

// streamLost says whether the folder that the event stream writes to is gone.
func (s *Server) streamLost() bool {
	_, err := os.Stat(s.streamDir())
	return errors.Is(err, fs.ErrNotExist)
}

// distrust makes nats-server look at each record's hash when it starts. It does not where
// it finds its index: then it takes a record's number as it stands, and where a bit of
// that is flipped it counts up to it, in memory, for as long as the process lasts. The
// stream is bounded, so that the look takes a moment.
func (s *Server) distrust() error {
	index := filepath.Join(s.streamDir(), streamIndex)
	err := os.Remove(index)
	if _, there := os.Lstat(index); err != nil && there == nil {
		return fmt.Errorf("%w: the event stream's index cannot be removed: %w", ErrServerStart, err)
	}
	return nil
}
