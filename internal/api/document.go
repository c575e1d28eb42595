package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
)

// An error document has the members of RFC 9457 and OpenAI's "error", so that one shape serves every route and client:
//
//	{"type": "/docs#shed", "title": …, "status": 429, "code": "shed", "detail": …, "request_id": …,
//	 "error": {"message": …, "type": "rate_limit_error", "param": null, "code": "shed", "request_id": …}}
//
// Clients of Anthropic's API look for "type": "error" and for Anthropic's own types of errors; the rest is the same.

// dialect is the vendor whose types of errors the clients of a route read.
type dialect int

const (
	dialectOpenAI dialect = iota
	dialectAnthropic
)

// dialectOf is the dialect of a request. Anthropic's clients ask for lists of models at the same path as OpenAI's; only
// they name the version of the API in a header.
func dialectOf(r *http.Request) dialect {
	path := r.URL.Path
	if strings.HasPrefix(path, anthropicRoute) ||
		strings.HasPrefix(path, modelsRoute) && r.Header["Anthropic-Version"] != nil {
		return dialectAnthropic
	}
	return dialectOpenAI
}

var anthropicRoute, modelsRoute = llm.EndpointNamed("messages").Route(), llm.Models.Route()

// nameRequest gives Anthropic's clients the request's ID in the header that they read.
func (d dialect) nameRequest(h http.Header) {
	if d == dialectAnthropic {
		h["Request-Id"] = h[middleware.RequestIDHeader]
	}
}

// document is the problem as JSON, with a newline.
func (p problem) document(d dialect, requestID string) []byte {
	return p.appendDocument(make([]byte, 0, 640), d, requestID)
}

// appendDocument appends the document. It is built by hand because refusing must be cheap.
func (p problem) appendDocument(b []byte, d dialect, requestID string) []byte {
	if d == dialectAnthropic {
		b = append(b, `{"type":"error"`...)
	} else {
		b = append(b, `{"type":"/docs#`...)
		b = append(b, p.code...)
		b = append(b, '"')
	}
	b = append(b, `,"title":`...)
	b = appendJSONString(b, p.title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(p.status), 10)
	b = append(b, `,"code":"`...)
	b = append(b, p.code...)
	b = append(b, `","detail":`...)
	b = appendJSONString(b, p.detail)
	if p.attempts > 0 {
		b = append(b, `,"attempts":`...)
		b = strconv.AppendInt(b, int64(p.attempts), 10)
	}
	if p.retryAfter > 0 {
		b = append(b, `,"retry_after_seconds":`...)
		b = strconv.AppendInt(b, int64(wholeSeconds(p.retryAfter)), 10)
	}
	b = appendVendor(b, p.vendor)
	b = append(b, `,"request_id":"`...)
	b = append(b, requestID...) // well formed, or made here: needs no escaping
	b = append(b, `","error":{"message":`...)
	b = appendJSONString(b, p.title+". "+p.detail)
	b = append(b, `,"type":"`...)
	b = append(b, d.errorType(p.status)...)
	b = append(b, `","param":null,"code":"`...)
	b = append(b, p.code...)
	b = append(b, `","request_id":"`...)
	b = append(b, requestID...)
	b = append(b, '"')
	b = appendVendor(b, p.vendor)
	return append(b, "}}\n"...)
}

// errorType is the vendors' name for errors of a status.
func (d dialect) errorType(status int) string {
	if d == dialectAnthropic {
		return anthropicType(status)
	}
	switch {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status < http.StatusInternalServerError:
		return "invalid_request_error"
	}
	return "server_error"
}

func anthropicType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusServiceUnavailable:
		return "overloaded_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	}
	if status < http.StatusInternalServerError {
		return "invalid_request_error"
	}
	return "api_error"
}

// appendJSONString appends s in quotes. Nearly all texts here are plain ASCII, which is copied up to the next character
// that needs a backslash.
func appendJSONString(b []byte, s string) []byte {
	begin, copied := len(b), 0
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f:
			quoted, err := json.Marshal(s)
			if err != nil { // a string always marshals
				quoted = []byte(`""`)
			}
			return append(b[:begin], quoted...)
		case c == '"' || c == '\\':
			b = append(append(b, s[copied:i]...), '\\')
			copied = i
		}
	}
	return append(append(b, s[copied:]...), '"')
}
