package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The load generator speaks just enough HTTP/1.1 to cost little: on two cores its own work would otherwise be measured
// as the server's.

// result is what one run of load saw.
type result struct {
	requests  int
	statuses  map[int]int
	elapsed   time.Duration
	latencies []time.Duration // sorted; only when paced
}

func (r result) perSecond() float64 { return float64(r.requests) / r.elapsed.Seconds() }

func (r result) quantile(q float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(int(q*float64(len(r.latencies))), len(r.latencies)-1)]
}

// load sends request over conns connections for the given time: as fast as answers come when rate is 0, else at rate
// requests a second in total, evenly spread. A paced request that had to wait for its connection counts from the moment
// it should have been sent.
func load(addr string, request []byte, conns int, rate float64, d time.Duration) (result, error) {
	total := result{statuses: map[int]int{}}
	var mu sync.Mutex
	var first error
	var wg sync.WaitGroup
	start := time.Now()
	for i := range conns {
		wg.Go(func() {
			r, err := worker(addr, request, start, i, conns, rate, d)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = err
			}
			total.requests += r.requests
			total.latencies = append(total.latencies, r.latencies...)
			for s, n := range r.statuses {
				total.statuses[s] += n
			}
		})
	}
	wg.Wait()
	total.elapsed = time.Since(start)
	slices.Sort(total.latencies)
	return total, first
}

func worker(addr string, request []byte, start time.Time, i, conns int, rate float64, d time.Duration) (result, error) {
	r := result{statuses: map[int]int{}}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return r, err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 8<<10)
	var step, offset time.Duration
	if rate > 0 {
		step = time.Duration(float64(conns) / rate * float64(time.Second))
		offset = step * time.Duration(i) / time.Duration(conns)
	}
	for n := 0; ; n++ {
		due := time.Now()
		if rate > 0 {
			due = start.Add(offset + time.Duration(n)*step)
			if wait := time.Until(due); wait > 0 {
				time.Sleep(wait)
				due = time.Now()
			}
		}
		if due.Sub(start) >= d {
			return r, nil
		}
		if _, err := conn.Write(request); err != nil {
			return r, err
		}
		status, err := readResponse(in)
		if err != nil {
			return r, fmt.Errorf("request %d of connection %d: %w", n, i, err)
		}
		r.requests++
		r.statuses[status]++
		if rate > 0 {
			r.latencies = append(r.latencies, time.Since(due))
		}
	}
}

// readResponse reads one response, with a length or chunked, and returns its status.
func readResponse(in *bufio.Reader) (status int, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length, chunked := 0, false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(v)); err != nil {
				return 0, err
			}
		}
		chunked = chunked || bytes.EqualFold(line, []byte("Transfer-Encoding: chunked"))
	}
	if !chunked {
		_, err = in.Discard(length)
		return status, err
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 32)
		if err != nil {
			return 0, err
		}
		if _, err := in.Discard(int(n) + 2); err != nil {
			return 0, err
		}
		if n == 0 {
			return status, nil
		}
	}
}

// post builds the bytes of one request.
func post(key string, body string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST /llm HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", key, len(body), body)
	return b.Bytes()
}

// vendor answers every request at once, or never while it holds: then requests stay in flight.
type vendor struct {
	listener net.Listener
	mu       sync.Mutex
	reply    []byte
	hold     bool
}

func newVendor() (*vendor, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &vendor{listener: l}
	v.answer("200 OK")
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go v.serve(conn)
		}
	}()
	return v, nil
}

func (v *vendor) url() string { return "http://" + v.listener.Addr().String() + "/v1/chat/completions" }

// answer sets the status line of all further answers.
func (v *vendor) answer(status string) {
	body := `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog, and then it does so again because the answer has to have some length."},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":24,"total_tokens":44}}`
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reply = fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

func (v *vendor) setHold(hold bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hold = hold
}

func (v *vendor) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 8<<10)
	for {
		if err := readRequest(in); err != nil {
			return
		}
		v.mu.Lock()
		reply, hold := v.reply, v.hold
		v.mu.Unlock()
		if hold {
			_, _ = in.ReadByte() // until the server hangs up
			return
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}

func readRequest(in *bufio.Reader) error {
	length, chunked := 0, false
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(v)); err != nil {
				return err
			}
		}
		chunked = chunked || bytes.HasPrefix(line, []byte("Transfer-Encoding:"))
	}
	if chunked {
		return fmt.Errorf("%w: chunked request", io.ErrUnexpectedEOF)
	}
	_, err := in.Discard(length)
	return err
}
