package follow

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"logsift/domain/logline"
)

// position is how far a file was sent.
type position struct {
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	// Generation counts how often the file was truncated.
	Generation int `json:"generation"`
	// Fingerprint is the length and the hash of the begin of the file, "" before
	// its first line is complete.
	Fingerprint string `json:"fingerprint"`
	// Offset is behind the last byte that the server confirmed. Pending is where
	// the request ends that was sent last, 0 if it was confirmed.
	Offset  int64 `json:"offset"`
	Pending int64 `json:"pending,omitempty"`
	// DateOrder is how the dates of the pending request were read.
	DateOrder logline.DateOrder `json:"date_order,omitempty"`
	// Tail are the bytes before Offset.
	Tail []byte `json:"tail,omitempty"`
	// Path is where the file was seen last, Source the source of its entries.
	Path   string `json:"path"`
	Source string `json:"source"`

	// nextTail becomes Tail with the offset that belongs to it.
	nextTail []byte
}

func (p *position) id() [2]uint64 { return [2]uint64{p.Device, p.Inode} }

// isOf reports whether the position is of this file, and not of one that got its
// inode since.
func (p *position) isOf(file *os.File) bool {
	if p.Fingerprint == "" {
		return p.Offset == 0
	}
	length, _, _ := strings.Cut(p.Fingerprint, ":")
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > fingerprintBytes {
		return false
	}
	head := make([]byte, n)
	if got, err := file.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) || got != n {
		return p.Offset == 0
	}
	mark, _ := fingerprint(head, true)
	return mark == p.Fingerprint
}

// positionsFile is the contents of --positions.
type positionsFile struct {
	Version int        `json:"version"`
	Files   []position `json:"files"`
}

const positionsVersion = 1

// loadPositions reads a file that save wrote; no file means no positions.
func loadPositions(path string) ([]position, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path) //nolint:gosec // The user names the file.
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the positions: %w", err)
	}
	var file positionsFile
	if err := json.Unmarshal(raw, &file); err != nil || file.Version != positionsVersion {
		return nil, fmt.Errorf("%s has no positions of this version of logsift: remove it to start over", path)
	}
	return file.Files, nil
}

// save writes the positions, if they are to be kept. After it returns, a crash
// leaves these positions, before it the former ones.
func (f *follower) save() error {
	if f.Positions == "" {
		return nil
	}
	out := positionsFile{Version: positionsVersion, Files: make([]position, 0, len(f.files))}
	for _, file := range f.files {
		out.Files = append(out.Files, file.position)
	}
	raw, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return fmt.Errorf("write the positions: %w", err)
	}
	if string(raw) == f.written {
		return nil
	}
	if err := writeFileSynced(f.Positions, raw); err != nil {
		return fmt.Errorf("write the positions: %w", err)
	}
	f.written = string(raw)
	return nil
}

// writeFileSynced replaces a file in one step.
func writeFileSynced(path string, raw []byte) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name()) // The error that led here counts.
		}
	}()
	_, err = temp.Write(raw)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
