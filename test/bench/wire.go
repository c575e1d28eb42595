//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// Load generator and vendor implement only the part of HTTP/1.1 that they need, in a single thread each, so that they
// use little processor time: on two cores their own work would otherwise count as the server's.

var errWire = errors.New("cannot read")

// message reads a complete message at the start of b, with a length or chunked. It returns the first line and the size
// of the message, or 0 when it is not complete.
func message(b []byte) (first []byte, size int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, 0, nil
	}
	head, size := b[:end], end+4
	first, head, _ = bytes.Cut(head, []byte("\r\n"))
	length, chunked := 0, false
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, []byte("\r\n"))
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(v)); err != nil {
				return nil, 0, fmt.Errorf("%w %q: %w", errWire, line, err)
			}
		}
		chunked = chunked || bytes.EqualFold(line, []byte("Transfer-Encoding: chunked"))
	}
	if chunked {
		n, err := chunks(b[size:])
		if err != nil || n == 0 {
			return nil, 0, err
		}
		return first, size + n, nil
	}
	if size += length; size > len(b) {
		return nil, 0, nil
	}
	return first, size, nil
}

// chunks is the size of the chunks at the start of b up to the last, empty one, or 0 when they are not complete.
func chunks(b []byte) (size int, err error) {
	for {
		line, _, ok := bytes.Cut(b[size:], []byte("\r\n"))
		if !ok {
			return 0, nil
		}
		n, err := strconv.ParseInt(string(line), 16, 32)
		if err != nil {
			return 0, fmt.Errorf("%w a chunk's size %q: %w", errWire, line, err)
		}
		if size += len(line) + 2 + int(n) + 2; size > len(b) {
			return 0, nil
		}
		if n == 0 {
			return size, nil
		}
	}
}

// post builds the bytes of one request.
func post(key string, body string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /llm HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", key, len(body), body)
	return b.Bytes()
}
