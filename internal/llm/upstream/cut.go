package upstream

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/spillway-dev/spillway/internal/jsonscan"
)

// errCut is the error of an answer that ended before its end: a stream without its last event, or an answer that is not
// whole where the end of the connection was all that could show it.
var errCut = errors.New("the vendor's answer was cut before its end")

// isCloseDelimited reports whether the answer ends with its connection, so that the protocol does not show a cut.
func isCloseDelimited(res *http.Response) bool {
	return res.ProtoMajor == 1 && res.ContentLength < 0 && len(res.TransferEncoding) == 0
}

// isBroken reports whether data begins as JSON does, and is not JSON.
func isBroken(data []byte) bool {
	data = bytes.TrimSpace(data)
	return len(data) > 0 && (data[0] == '{' || data[0] == '[') && !isLast(data) && !jsonscan.Valid(data)
}
