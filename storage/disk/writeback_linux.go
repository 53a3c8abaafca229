package disk

import (
	"os"
	"syscall"
)

// syncFileRangeWrite is SYNC_FILE_RANGE_WRITE of sync_file_range(2).
const syncFileRangeWrite = 2

// StartWriteback lets the system begin to write what the file has to the disk, without
// waiting for it: a Sync that follows finds less to do, and so does the next commit of
// somebody else's that the file system's journal has to write behind it. It promises
// nothing. RocksDB does the same for its bytes_per_sync.
func StartWriteback(f File) {
	if real, ok := f.(*os.File); ok {
		_ = syscall.SyncFileRange(int(real.Fd()), 0, 0, syncFileRangeWrite)
	}
}
