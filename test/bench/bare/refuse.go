package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"
)

// refuser returns a server that answers every request with the HTTP response in the file at path, under the time limits
// of the service.
func refuser(addr, path string) (*http.Server, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	res, err := http.ReadResponse(bufio.NewReader(file), nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Header.Del("Date") // net/http adds these two
	res.Header.Del("Content-Length")
	engine := gin.New()
	engine.POST("/llm", func(c *gin.Context) {
		if conn, ok := c.Writer.(interface{ Unwrap() http.ResponseWriter }); ok {
			if w, ok := conn.Unwrap().(interface{ SetWriteDeadline(time.Time) error }); ok {
				_ = w.SetWriteDeadline(time.Now().Add(time.Minute))
			}
		}
		h := c.Writer.Header()
		for name, values := range res.Header {
			h[name] = []string{values[0]}
		}
		c.Status(res.StatusCode)
		_, _ = c.Writer.Write(body)
	})
	return &http.Server{Addr: addr, Handler: engine, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}, nil
}
