package api

import (
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// How long and how much of a refused body is read on.
const (
	lingerTime  = time.Second
	lingerBytes = 32 << 20
)

// linger reads for a moment what a refused client is still sending, and drops it. To close the connection at once would
// reset it, and a client that first writes the whole body and then reads would not get the answer. A client that waits
// for "100 Continue" sends nothing.
func linger(c *gin.Context) {
	if c.Request.Header["Expect"] != nil || c.Request.Body == nil {
		return
	}
	rc := http.NewResponseController(beneath(c.Writer))
	if rc.Flush() != nil || rc.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.Request.Body, lingerBytes) // the answer is written; what happens now changes nothing
}
