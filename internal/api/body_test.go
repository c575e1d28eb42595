package api_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/api"
)

// head is the beginning of a request that is sent by hand.
const head = "POST /llm HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n" +
	"Authorization: Bearer key-enterprise\r\nContent-Type: application/json\r\n"

func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// TestBodiesAsHTTPHasThem: bodies in each framing of HTTP.
func TestBodiesAsHTTPHasThem(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{env: []string{"LLM_MAX_BODY=1000"}})
	for name, c := range map[string]struct{ request, status, code string }{
		"of exactly the limit": {head + "Content-Length: 1000\r\n\r\n" + `{"a":"` + strings.Repeat("x", 992) + `"}`,
			"200", ""},
		"in chunks": {head + "Transfer-Encoding: chunked\r\n\r\n" + chunk(`{"mo`) + chunk(`del":"m"}`) +
			chunk(""), "200", ""},
		"too many chunks": {head + "Transfer-Encoding: chunked\r\n\r\n" +
			chunk(`{"a":"`+strings.Repeat("x", 1000)) + chunk(`"}`) + chunk(""), "413", "payload_too_large"},
		"announced too large": {head + "Content-Length: 1001\r\n\r\n", "413", "payload_too_large"},
		"of a size in words":  {head + "Content-Length: some\r\n\r\n{}", "400", ""},
		"of two sizes":        {head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", "400", ""},
		"in broken chunks": {head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", "400",
			"invalid_json"},
		"empty":     {head + "Content-Length: 0\r\n\r\n", "400", "invalid_json"},
		"none":      {head + "\r\n", "400", "invalid_json"},
		"asked for": {head + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", "100", ""},
		"not asked for": {head + "Expect: 100-continue\r\nContent-Length: 1001\r\n\r\n", "413",
			"payload_too_large"},
	} {
		got := b.raw(c.request)
		if status(got) != c.status || !strings.Contains(got, c.code) {
			t.Errorf("a body %s: want %s %s, got %s", name, c.status, c.code, got)
		}
	}
}

// TestSlowBodyIs408: when the read timeout ends, the answer says that the body came too slowly.
func TestSlowBodyIs408(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{})
	if got := b.raw(head + "Content-Length: 100\r\n\r\n{"); status(got) != "408" ||
		!strings.Contains(got, `"code":"request_timeout"`) {
		t.Errorf("got %s", got)
	}
	if line := b.accessLine(); line["status"] != 408.0 || line["reason"] != "request_timeout" {
		t.Errorf("the log says %v", line)
	}
}

// TestClientThatLeavesWhileItSends: that counts as closed by the client, not as a bad body.
func TestClientThatLeavesWhileItSends(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{})
	conn := b.dial()
	defer conn.Close()
	_, err := io.WriteString(conn, head+"Content-Length: 100\r\n\r\n{")
	check(t, err)
	check(t, conn.(*net.TCPConn).CloseWrite())
	if line := b.accessLine(); line["status"] != 499.0 || line["reason"] != "client_closed" {
		t.Errorf("the log says %v", line)
	}
}

// TestTextsThatAreNotJSON are refused with the place of the mistake.
func TestTextsThatAreNotJSON(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{})
	for name, c := range map[string]struct{ body, says string }{
		"byte order mark": {"\xef\xbb\xbf{}", "byte order mark"},
		"UTF-16":          {"\xff\xfe{\x00}\x00", "Byte 1 "},
		"a stray byte":    {"{\"a\":\"ü\xff\"}", "Byte 9 "},
		"half a rune":     {"{\"a\":\"\xc3", "Byte 7 "},
		"a surrogate":     {"{\"a\":\"\xed\xa0\x80\"}", "Byte 7 "},
		"two values":      {"{} {}", "column 4"},
		"not a number":    {`{"a":NaN}`, "column 6"},
		"on line two":     {"{\n  'a': 1}", "Line 2, column 3"},
		"too deep":        {strings.Repeat(`{"a":`, 1001) + "1" + strings.Repeat("}", 1001), "1000 levels"},
	} {
		got := b.send(http.MethodPost, "/llm", c.body)
		if got.status != http.StatusBadRequest || got.code() != "invalid_json" || !strings.Contains(got.body, c.says) {
			t.Errorf("%s: got %d %s, want it to say %q", name, got.status, got.body, c.says)
		}
	}
}

// TestDepthCountsBracketsThatNest: neither many brackets side by side nor any number of them in a string are deep.
func TestDepthCountsBracketsThatNest(t *testing.T) {
	t.Parallel()
	b := newBundle(t, answers, options{})
	for name, body := range map[string]string{
		"as deep as it may be": strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000),
		"side by side":         `{"a":[` + strings.Repeat("[],", 5000) + `[]]}`,
		"in a string":          `{"a":"` + strings.Repeat(`[\"{\\`, 5000) + `"}`,
	} {
		if got := b.send(http.MethodPost, "/llm", body); got.status != http.StatusOK {
			t.Errorf("%s: got %d %s", name, got.status, got.body)
		}
	}
}

// TestDeepBodyCostsNoMemory: a body of brackets alone used to cost hundreds of times its size. It runs alone, because
// it looks at the memory of the process.
func TestDeepBodyCostsNoMemory(t *testing.T) { //nolint:paralleltest // it measures the process
	b := newBundle(t, answers, options{})
	body := `{"a":` + strings.Repeat("[", 1<<20-10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if got := b.send(http.MethodPost, "/llm", body); got.status != http.StatusBadRequest {
		t.Errorf("got %d %s", got.status, got.body)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.StackSys) - int64(before.StackSys); grown > 16<<20 {
		t.Errorf("it took %d MiB of stack", grown>>20)
	}
}

func TestConfigSaysWhatToChange(t *testing.T) {
	t.Parallel()
	for _, c := range []api.Config{{MaxBody: 1, WriteTimeout: 1}, {MaxBody: 2}} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "use ") {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}
