package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/openloop"
)

// flood sends requests at a fixed rate for some seconds, from a number of client addresses. The address is in
// X-Forwarded-For, which a gateway uses when it trusts this pod. The result is the number of answers by status.
type flood struct {
	url, key      string
	rate, seconds int
	addresses     int
	from          int  // the number of the first address
	hosts         bool // another Host for each request
	stream        bool // answers that take seconds
	size          int  // of the body in bytes; 0 is a short question
	chunked       bool
}

func (f flood) run(ctx context.Context) map[string]int {
	var mu sync.Mutex
	found := map[string]int{}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}}
	defer client.CloseIdleConnections()
	coming, cancel := context.WithTimeout(ctx, time.Duration(f.seconds)*time.Second)
	defer cancel()
	openloop.Run(coming, float64(f.rate), 0, func(n int) {
		status := f.once(ctx, client, n)
		mu.Lock()
		defer mu.Unlock()
		found[status]++
	})
	return found
}

func (f flood) once(ctx context.Context, client *http.Client, i int) string {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	question := fmt.Sprintf(`{"model":"demo","stream":%t,"messages":[{"role":"user","content":%q}]}`, f.stream,
		strings.Repeat("a", f.size))
	var body io.Reader = strings.NewReader(question)
	if f.chunked {
		body = io.NopCloser(body) // of unknown length
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, body)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+f.key)
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", f.from+i%max(1, f.addresses)))
	if f.hosts {
		req.Host = fmt.Sprintf("%s:%d", req.URL.Hostname(), 1024+i)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "error"
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return strconv.Itoa(resp.StatusCode)
}

// firstEvent streams one answer, and returns the times of its first byte and of its end, in seconds.
func firstEvent(ctx context.Context, at, key string) (first, all float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at,
		strings.NewReader(`{"model":"demo","stream":true,"messages":[{"role":"user","content":"hello"}]}`))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		return 0, 0, err
	}
	first = time.Since(began).Seconds()
	_, err = io.Copy(io.Discard, resp.Body)
	return first, time.Since(began).Seconds(), err
}

// unfinished sends the head of a request and one byte of its body, and returns after how many seconds the other side
// closes the connection.
func unfinished(at, key string) (float64, error) {
	u, err := url.Parse(at)
	if err != nil {
		return 0, err
	}
	host := u.Host
	if u.Port() == "" {
		host += ":80"
	}
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	began := time.Now()
	if err := conn.SetDeadline(began.Add(longest)); err != nil {
		return 0, err
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", u.Path, u.Host, key)
	_, err = io.Copy(io.Discard, conn) // until it is closed
	return time.Since(began).Seconds(), err
}
