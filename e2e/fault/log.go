package fault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// What the package comment of cluster/raftlog says of the layout of a log.
const (
	segmentHeader = 24
	frameHeader   = 24
	frameMagic    = "RTfr"
)

// frame is where one commit of a log lies.
type frame struct {
	segment string
	number  uint64
	at, end int64
}

// frames lists the commits of the log in a node's data directory, oldest first.
func frames(dir string) ([]frame, error) {
	segments, err := filepath.Glob(filepath.Join(dir, "log", "[0-9]*.log"))
	if err != nil {
		return nil, err
	}
	var all []frame
	for _, segment := range segments { // in order of their numbers
		b, err := os.ReadFile(segment)
		if err != nil {
			return nil, err
		}
		for at := int64(segmentHeader); at+frameHeader <= int64(len(b)) && string(b[at:at+4]) == frameMagic; {
			f := frame{
				segment: segment, at: at,
				number: binary.LittleEndian.Uint64(b[at+8:]),
				end:    at + frameHeader + int64(binary.LittleEndian.Uint32(b[at+16:])),
			}
			if len(all) > 0 && f.number != all[len(all)-1].number+1 {
				break // left behind by what the segment was before
			}
			all = append(all, f)
			at = f.end
		}
	}
	if len(all) < 3 {
		return nil, fmt.Errorf("the log in %s has %d frames: too few to damage", dir, len(all))
	}
	return all, nil
}

// Tear leaves at the end of a log what a write leaves that was under way when
// the power went: the beginning of a commit. The node must not run.
func Tear(dir string) error {
	all, err := frames(dir)
	if err != nil {
		return err
	}
	last := all[len(all)-1]
	return edit(last.segment, func(b []byte) []byte {
		torn := append([]byte(nil), b[last.at:last.at+(last.end-last.at+1)/2]...)
		binary.LittleEndian.PutUint64(torn[8:], last.number+1)
		copy(b[last.end:], torn)
		return b
	})
}

// Flip flips one bit in the middle of a log, in the records of a commit that
// was durable. The node must not run.
func Flip(dir string) error {
	all, err := frames(dir)
	if err != nil {
		return err
	}
	middle := all[len(all)/2]
	return edit(middle.segment, func(b []byte) []byte {
		b[(middle.at+frameHeader+middle.end)/2] ^= 1
		return b
	})
}

func edit(name string, change func([]byte) []byte) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	size := len(b)
	if b = change(b); len(b) != size {
		return errors.New("the size of a segment must stay")
	}
	return os.WriteFile(name, b, 0o644)
}
