package dialect

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Failure is an error of the vendor.
type Failure struct {
	Status  int
	Type    string // empty: the vendor's name for this status
	Code    string // empty: none, or OpenAI's name for this status
	Message string
}

// Body returns the error in the format of Anthropic or OpenAI. number is that of the call.
func (f *Failure) Body(anthropic bool, number int) []byte {
	if anthropic {
		kind := f.Type
		if kind == "" {
			kind = anthropicType(f.Status)
		}
		body, _ := json.Marshal(map[string]any{
			"type": "error", "error": map[string]string{"type": kind, "message": f.Message},
			"request_id": RequestID(number),
		})
		return body
	}
	kind, code := openaiType(f.Status)
	if f.Type != "" {
		kind = f.Type
	}
	if f.Code != "" {
		code = f.Code
	}
	detail := map[string]any{"message": f.Message, "type": kind, "param": nil, "code": nil}
	if code != "" {
		detail["code"] = code
	}
	body, _ := json.Marshal(map[string]any{"error": detail})
	return body
}

// RequestID is the vendor's name for the call with this number.
func RequestID(number int) string { return "sim-" + strconv.Itoa(number) }

// openaiType returns OpenAI's names for the errors of a status.
func openaiType(status int) (kind, code string) {
	switch {
	case status == http.StatusUnauthorized:
		return "invalid_request_error", "invalid_api_key"
	case status == http.StatusTooManyRequests:
		return "requests", "rate_limit_exceeded"
	case status >= http.StatusInternalServerError:
		return "server_error", "server_error"
	}
	return "invalid_request_error", ""
}

// anthropicType returns Anthropic's name for the errors of a status.
func anthropicType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	case 529:
		return "overloaded_error"
	}
	if status >= http.StatusInternalServerError {
		return "api_error"
	}
	return "invalid_request_error"
}
