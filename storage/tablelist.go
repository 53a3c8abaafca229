package storage

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/dgraph-io/badger/v4/pb"
	"google.golang.org/protobuf/proto"
)

// maxLevels is how many levels Badger has by default, and Brock's stores.
const maxLevels = 7

// tableList returns the content of a MANIFEST, in Badger's format 8, that names the
// tables and nothing else:
//
//	"Bdgr" | application's format, 2 | Badger's format, 2 | length, 4 | CRC-32C, 4 | set of changes
func tableList(tables []TableFile) ([]byte, error) {
	set := &pb.ManifestChangeSet{}
	for _, t := range tables {
		set.Changes = append(set.Changes, &pb.ManifestChange{Id: t.ID, Op: pb.ManifestChange_CREATE, Level: uint32(t.Level)})
	}
	changes, err := proto.Marshal(set)
	if err != nil {
		return nil, err
	}
	b := append([]byte("Bdgr"), 0, 0, 0, 8)
	b = binary.BigEndian.AppendUint32(b, uint32(len(changes)))
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(changes, castagnoli))
	return append(b, changes...), nil
}
