// Command bare is the baseline of the benchmark: a gin handler that forwards a request with one shared http.Client, and
// nothing else. The client's pool of idle connections is large enough for the load: with Go's default of two, the
// benchmark would mostly measure new connections.
//
//	bare [-redis ADDR] [-refuse FILE] ADDR VENDOR
//
// With -redis it sends PING twice before it forwards, to show the cost of two round trips. With -refuse it makes no
// decision and answers every request with the HTTP response in FILE, which is an answer of the service, under the
// service's time limits, to show the cost of such an answer in net/http.
package main

import (
	"flag"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
)

func main() {
	redisAddr := flag.String("redis", "", "address of a Redis that is asked twice before each request")
	refusal := flag.String("refuse", "", "file with the HTTP response that answers every request")
	flag.Parse()
	addr, vendor := flag.Arg(0), flag.Arg(1)
	gin.SetMode(gin.ReleaseMode)
	if *refusal != "" {
		server, err := refuser(addr, *refusal)
		if err != nil {
			log.Fatal(err)
		}
		log.Fatal(server.ListenAndServe())
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 2048, 2048
	client := &http.Client{Transport: transport}

	engine := gin.New()
	if *redisAddr != "" {
		engine.Use(pings(redis.NewClient(&redis.Options{Addr: *redisAddr, Protocol: 2, PoolSize: 64})))
	}
	engine.POST("/llm", func(c *gin.Context) {
		req, err := http.NewRequestWithContext(c.Request.Context(), http.MethodPost, vendor, c.Request.Body)
		if err != nil {
			c.Status(http.StatusInternalServerError)
			return
		}
		req.ContentLength = c.Request.ContentLength
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			c.Status(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		c.Header("Content-Type", res.Header.Get("Content-Type"))
		c.Status(res.StatusCode)
		if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
			stream(c.Writer, res.Body)
			return
		}
		_, _ = io.Copy(c.Writer, res.Body)
	})
	log.Fatal(http.ListenAndServe(addr, engine))
}

// stream forwards bytes as soon as they arrive.
func stream(w gin.ResponseWriter, from io.Reader) {
	buffer := make([]byte, 4<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, failed := w.Write(buffer[:n]); failed != nil {
				return
			}
			w.Flush()
		}
		if err != nil {
			return
		}
	}
}

func pings(rdb *redis.Client) gin.HandlerFunc {
	return func(c *gin.Context) {
		for range 2 {
			if rdb.Ping(c.Request.Context()).Err() != nil {
				c.AbortWithStatus(http.StatusInternalServerError)
			}
		}
	}
}
