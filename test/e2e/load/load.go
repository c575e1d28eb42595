package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Report is the result of a load.
type Report struct {
	Buffered int            `json:"buffered"` // answered with 200 and a whole body
	Streams  int            `json:"streams"`  // ended with data: [DONE]
	Failed   int            `json:"failed"`   // everything else
	Why      map[string]int `json:"why"`      // of the failed ones
	Slowest  float64        `json:"slowest"`  // seconds
	Seconds  float64        `json:"seconds"`
}

// load is a number of clients, each of which sends one request after the other.
type load struct {
	stopped atomic.Bool
	clients sync.WaitGroup
	began   time.Time

	mu     sync.Mutex
	report Report
}

// begin starts clients with a kept connection, clients with a new connection for each request, and clients of streams.
func begin(url, key string, keep, fresh, streams int) *load {
	l := &load{began: time.Now(), report: Report{Why: map[string]int{}}}
	run := func(clients int, stream, reuse bool) {
		for range clients {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: !reuse}}
			l.clients.Go(func() {
				defer client.CloseIdleConnections()
				for !l.stopped.Load() {
					l.once(client, url, key, stream)
				}
			})
		}
	}
	run(keep, false, true)
	run(fresh, false, false)
	run(streams, true, true)
	return l
}

func (l *load) end() Report {
	l.stopped.Store(true)
	l.clients.Wait()
	l.report.Seconds = time.Since(l.began).Seconds()
	return l.report
}

// once sends one request. It pauses after a failure, so that it does not flood a service that refuses.
func (l *load) once(client *http.Client, url, key string, stream bool) {
	began := time.Now()
	status, body, err := post(context.Background(), client, url, key, "", stream)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%d %.120s", status, body) // without what differs for each request
	}
	if err == nil && stream && !bytes.HasSuffix(bytes.TrimSpace(body), []byte("data: [DONE]")) {
		err = fmt.Errorf("cut stream: …%s", body[max(0, len(body)-200):])
	}
	l.mu.Lock()
	l.report.Slowest = max(l.report.Slowest, time.Since(began).Seconds())
	switch {
	case err != nil:
		l.report.Failed++
		l.report.Why[err.Error()]++
	case stream:
		l.report.Streams++
	default:
		l.report.Buffered++
	}
	l.mu.Unlock()
	if err != nil {
		time.Sleep(100 * time.Millisecond)
	}
}

// longest is longer than the service's own limit for a request.
const longest = 90 * time.Second

// post sends one request. No request is sent twice: failures must be counted.
func post(ctx context.Context, client *http.Client, url, key, prefer string, stream bool) (status int,
	body []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, longest, errors.New("no answer within 90 s"))
	defer cancel()
	question := strings.NewReader(
		fmt.Sprintf(`{"model":"demo","stream":%t,"messages":[{"role":"user","content":"hello"}]}`, stream))
	// No GetBody: net/http cannot repeat it.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, io.NopCloser(question))
	if err != nil {
		return 0, nil, err
	}
	req.ContentLength = question.Size()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	if prefer != "" {
		req.Header.Set("Prefer", prefer)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}
