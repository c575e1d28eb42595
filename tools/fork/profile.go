package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// renameProfile renames the functions in a CPU profile. The compiler finds a function's samples by its import path, so
// it would silently ignore a profile with the old paths. The file is a gzipped protocol buffer with all names in one
// repeated field; everything else refers to them by number and does not change.
func renameProfile(content []byte, rename func(string) string) ([]byte, error) {
	const (
		stringTable = 6 // profile.proto's field
		varint      = 0
		delimited   = 2
	)
	zipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("reading the profile: %w", err)
	}
	in, err := io.ReadAll(zipped)
	if err != nil {
		return nil, fmt.Errorf("reading the profile: %w", err)
	}
	var out []byte
	for len(in) > 0 {
		tag, n := binary.Uvarint(in)
		value, m := binary.Uvarint(in[max(n, 0):])
		if n <= 0 || m <= 0 {
			return nil, errors.New("reading the profile: a broken number")
		}
		field := in[:n+m]
		in = in[n+m:]
		switch tag & 7 {
		case varint:
			out = append(out, field...)
		case delimited:
			if value > uint64(len(in)) {
				return nil, errors.New("reading the profile: it is cut off")
			}
			body := in[:value]
			in = in[value:]
			if tag>>3 == stringTable {
				body = []byte(rename(string(body)))
			}
			out = binary.AppendUvarint(out, tag)
			out = binary.AppendUvarint(out, uint64(len(body)))
			out = append(out, body...)
		default:
			return nil, fmt.Errorf("reading the profile: wire type %d", tag&7)
		}
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(out); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}
