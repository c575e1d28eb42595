package api

import (
	"encoding/json"
	"net/http"
)

// openAI is the problem in the shape that clients of OpenAI's API read.
func (p problem) openAI(requestID string) []byte {
	b := make([]byte, 0, 320)
	b = append(b, `{"error":{"message":`...)
	b = appendJSONString(b, p.title+". "+p.detail)
	b = append(b, `,"type":"`...)
	b = append(b, openAIType(p.status)...)
	b = append(b, `","param":null,"code":"`...)
	b = append(b, p.code...)
	b = append(b, `","request_id":"`...)
	b = append(b, requestID...)
	b = append(b, '"')
	b = appendVendor(b, p.vendor)
	return append(b, "}}\n"...)
}

func openAIType(status int) string {
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

// appendJSONString appends s in quotes. Nearly all texts here are plain ASCII, which is copied; refusing has to be cheap.
func appendJSONString(b []byte, s string) []byte {
	plain := true
	for i := range len(s) {
		c := s[i]
		plain = plain && c >= ' ' && c < 0x7f && c != '"' && c != '\\'
	}
	if plain {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	quoted, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return append(b, `""`...)
	}
	return append(b, quoted...)
}
