package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spillway-dev/spillway/internal/llm"
)

// TestAThousandBadRequests sends what no client should, as bytes on a connection: no 5xx, no panic, nothing that hangs.
func TestAThousandBadRequests(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{})
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	seen := map[string]int{}
	for i := range uint64(1000) {
		request := badRequest(rand.New(rand.NewPCG(seed, i)))
		got := b.halfClosed(request)
		code := status(got)
		seen[code]++
		switch {
		case code == "501" || code == "505": // net/http's own, for transfer encodings and versions that there are not
		case code >= "5":
			t.Errorf("request %d: %.200q\ngot %s", i, request, got)
		}
	}
	if bad := 1000 - seen["200"]; bad < 700 {
		t.Errorf("only %d of the requests were bad: %v", bad, seen)
	}
	for len(b.lines) > 0 {
		if line := <-b.lines; line["msg"] == "panic" {
			t.Error(line)
		}
	}
	if got := b.post("/llm"); got.status != http.StatusOK {
		t.Errorf("a good one after them: got %d %s", got.status, got.body)
	}
}

// halfClosed sends text, then the end of all sending, and returns what comes back.
func (b *bundle) halfClosed(text string) string {
	conn := b.dial()
	defer conn.Close()
	sent := make(chan struct{})
	go func() { // the server may answer before it has read all
		defer close(sent)
		_, _ = io.WriteString(conn, text)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	all, _ := io.ReadAll(conn) // a reset is an answer too
	_ = conn.Close()
	<-sent
	return string(all)
}

// badRequest is a request with something wrong with its bytes, its headers or its body.
func badRequest(r *rand.Rand) string {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	noise := func(most int) string {
		b := make([]byte, 1+r.IntN(most))
		for i := range b {
			b[i] = byte(r.UintN(256))
		}
		return string(b)
	}
	with := func(body string, headers ...string) string {
		return fmt.Sprintf("%s%sContent-Length: %d\r\n\r\n%s", head, strings.Join(headers, ""), len(body), body)
	}
	good := with(goodBody)
	switch r.IntN(10) {
	case 0:
		return noise(500)
	case 1: // one byte wrong
		i := r.IntN(len(good))
		return good[:i] + noise(1) + good[i+1:]
	case 2:
		return good[:r.IntN(len(good))]
	case 3: // wrong JSON
		i := r.IntN(len(goodBody))
		return with(goodBody[:i] + pick("{", "}", "\"", ",", "\x00", "\xff", "\\", "\ufeff", "NaN", "01") +
			goodBody[i:])
	case 4:
		return with(strings.Repeat(pick("[", `{"a":`, "[{\"a\":"), 1+r.IntN(150_000)))
	case 5: // JSON of the wrong kind
		return with(pick("[]", "null", "1", `"x"`, "true", `{"model":7}`, `{"stream":"yes"}`, `{"max_tokens":1e999}`,
			`{"max_tokens":-1}`, `{"max_tokens":[]}`))
	case 6:
		return "POST /llm HTTP/1.1\r\nHost: pod\r\nConnection: close\r\nX-API-Key: key-enterprise\r\n" +
			"Content-Type: " + pick("text/plain", "", ";", "application/json;;=", "multipart/form-data", noise(20)) +
			"\r\nContent-Length: 2\r\n\r\n{}"
	case 7:
		return head + "Transfer-Encoding: chunked\r\n\r\n" +
			pick("zz\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "2\r\n{}XX", "2\r\n{", "5\r\n{}\r\n0\r\n\r\n")
	case 8:
		return with(goodBody, pick("Content-Encoding: br", "Content-Length: 1", "X-Priority: "+noise(9),
			"X-Request-ID: "+noise(300), "Traceparent: "+noise(60),
			"Authorization: Bearer "+noise(30), "X: "+strings.Repeat("y", 2<<20))+"\r\n")
	default:
		return pick("GET", "PUT", "BREW", "OPTIONS", "CONNECT", noise(5)) + " /" + url.PathEscape(noise(30)) +
			" HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n"
	}
}

// FuzzRequest sends requests past net/http: no 5xx, every refusal whole, and what reaches the vendor is JSON in UTF-8,
// byte for byte.
func FuzzRequest(f *testing.F) {
	var called []byte
	b := newBundle(f, func(ctx context.Context, call *llm.Call) (*llm.Response, error) {
		called = call.Body
		return answers(ctx, call)
	}, options{})
	for _, body := range []string{goodBody, streamBody, "", "[", "\xff", "\ufeff{}", `{"a":"\ud800"}`,
		`{"max_tokens":1e3}`, strings.Repeat("[", 2000)} {
		f.Add(http.MethodPost, "/llm", "application/json", "id", body)
		f.Add(http.MethodPost, "/v1/chat/completions", "application/json; charset=utf-8", "no id", body)
	}
	f.Fuzz(func(t *testing.T, method, path, media, id, body string) {
		called = nil
		r := (&http.Request{
			Method: method, URL: &url.URL{Path: path}, ProtoMajor: 1, ProtoMinor: 1,
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
			Header: http.Header{"Content-Type": {media}, "X-Request-Id": {id},
				"Authorization": {"Bearer key-enterprise"}},
		}).WithContext(t.Context())
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		for len(b.lines) > 0 {
			<-b.lines
		}
		got := answer{w.Code, w.Header(), w.Body.String()}
		if got.status >= 500 || got.status >= 400 && got.code() == "" {
			t.Errorf("got %d %s", got.status, got.body)
		}
		if id := got.header.Get("X-Request-Id"); got.status >= 400 &&
			!strings.Contains(got.body, `"request_id":"`+id+`"`) {
			t.Errorf("the request ID is %q, the answer %s", id, got.body)
		}
		if got.status >= 400 && !json.Valid([]byte(got.body)) {
			t.Errorf("not JSON: %q", got.body)
		}
		if called != nil && (!bytes.Equal(called, []byte(body)) || !json.Valid(called) || !utf8.Valid(called)) {
			t.Errorf("the vendor got %q", called)
		}
	})
}
