//go:build !unix

package follow

import (
	"hash/fnv"
	"os"
)

// fileID is the name's, since this system does not tell files apart by number: a
// file that is renamed is taken for another one.
func fileID(info os.FileInfo) [2]uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(info.Name())) // It cannot fail.
	return [2]uint64{0, h.Sum64()}
}
