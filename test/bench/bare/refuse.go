package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
)

// refusal is what the service's pod admission answers.
const refusal = `{"type":"/docs#overloaded","title":"This pod is full","status":503,"code":"overloaded",` +
	`"detail":"Try again. Another pod may have room.","retry_after_seconds":1,` +
	`"request_id":"019ac0de-0000-7000-8000-000000000000","error":{"message":"This pod is full. Try again. ` +
	`Another pod may have room.","type":"server_error","param":null,"code":"overloaded",` +
	`"request_id":"019ac0de-0000-7000-8000-000000000000"}}` + "\n"

// refuser answers every request with the refusal, under the time limits of the service.
func refuser(addr string) *http.Server {
	engine := gin.New()
	engine.POST("/llm", func(c *gin.Context) {
		if conn, ok := c.Writer.(interface{ Unwrap() http.ResponseWriter }); ok {
			if w, ok := conn.Unwrap().(interface{ SetWriteDeadline(time.Time) error }); ok {
				_ = w.SetWriteDeadline(time.Now().Add(time.Minute))
			}
		}
		h := c.Writer.Header()
		h["Content-Type"] = []string{"application/problem+json"}
		h["Content-Length"] = []string{strconv.Itoa(len(refusal))}
		h["Retry-After"] = []string{"1"}
		h["X-Content-Type-Options"] = []string{"nosniff"}
		h["X-Request-Id"] = []string{"019ac0de-0000-7000-8000-000000000000"}
		c.Status(http.StatusServiceUnavailable)
		_, _ = c.Writer.WriteString(refusal)
	})
	return &http.Server{Addr: addr, Handler: engine, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
}
