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
)

// large sends many large bodies at once, while readers do not read their answers. The result is the number of answers
// by status, and the number of readers by how they ended.
type large struct {
	url, key       string
	bodies, size   int
	readers        int
	readModel      string        // for which the vendor has long answers
	before, within time.Duration // time between the readers and the bodies, and until a reader gives up
}

func (l large) run(ctx context.Context) (found map[string]int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	found = map[string]int{}
	count := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		found[what]++
	}
	for range l.readers {
		all.Go(func() { count("reader " + l.reader()) })
	}
	if l.readers > 0 {
		time.Sleep(l.before)
	}
	for range l.bodies {
		all.Go(func() { count(l.body(ctx)) })
	}
	all.Wait()
	return found
}

// body sends one body, which is generated while it is sent, and returns the status of the answer.
func (l large) body(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	head, tail := `{"model":"demo","messages":[{"role":"user","content":"`, `"}]}`
	text := io.LimitReader(letters{}, int64(l.size))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url,
		io.MultiReader(strings.NewReader(head), text, strings.NewReader(tail)))
	if err != nil {
		return err.Error()
	}
	req.ContentLength = int64(len(head) + l.size + len(tail))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+l.key)
	req.Header.Set("Expect", "100-continue") // so that a body that is refused is not sent
	transport := &http.Transport{ExpectContinueTimeout: longest}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "error"
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return strconv.Itoa(resp.StatusCode)
}

// reader sends a request and does not read the answer. It returns whether the other side still waits when the reader
// gives up.
func (l large) reader() string {
	u, err := url.Parse(l.url)
	if err != nil {
		return err.Error()
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return "error"
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	question := fmt.Sprintf(`{"model":%q,"messages":[]}`, l.readModel)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: "+
		"application/json\r\nContent-Length: %d\r\n\r\n%s",
		u.Path, u.Host, l.key, len(question), question)
	time.Sleep(l.within)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := io.Copy(io.Discard, conn); err == nil && n < 64<<10 {
		return "refused"
	} else if err == nil {
		return "served"
	}
	return "cut"
}

// letters is an endless text.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}
