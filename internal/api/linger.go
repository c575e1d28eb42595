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

// linger reads on what a client is still sending after it was refused, for a moment, and throws it away. Closing the
// connection at once would reset it, and a client that first writes the whole body and then reads would never see the
// answer. A client that waits for "100 Continue" sends nothing.
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
