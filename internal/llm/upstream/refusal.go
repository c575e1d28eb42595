package upstream

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/spillway-dev/spillway/internal/llm"
)

// errProxy is an answer of a proxy between this service and the vendor.
var errProxy = errors.New("the proxy in front of the vendor asks for authentication")

// refusal says what an answer with this status and error document is: nil when it is the vendor's answer to this
// request, which the client gets as it is, else the failure. The status is the answer's own, or the one that an error
// within a 200 stands for.
//
// A 4xx belongs to the caller. The exceptions are what the caller can neither cause nor mend: the vendor key, the
// account's credit, the rate limit, and 408, which is about the transport.
func refusal(status int, d *errorDocument, h http.Header, limits *llm.Limits) *llm.VendorError {
	kind := llm.Kind("")
	switch {
	case status == http.StatusProxyAuthRequired:
		return &llm.VendorError{Kind: llm.KindConnection, Err: errProxy}
	case status == http.StatusPaymentRequired || status < 500 && d.outOfCredit(limits):
		kind = llm.KindQuota
	case status == http.StatusUnauthorized || status >= 400 && status < 500 && d.refusesKey():
		kind = llm.KindAuth
	case status == http.StatusTooManyRequests:
		kind = llm.KindRateLimit
	case status >= 500 || status == http.StatusRequestTimeout || status < 200 || status >= 300 && status < 400:
		kind = llm.KindStatus
	default:
		return nil
	}
	e := &llm.VendorError{Kind: kind, Status: status, RetryAfter: max(limits.RetryAfter, 0)}
	e.Code, e.Type = cmp.Or(d.code, d.reason), d.kind
	describe(e, h, d)
	return e
}

// describe adds what helps to find the request in the vendor's own logs.
func describe(e *llm.VendorError, h http.Header, d *errorDocument) {
	e.RequestID = cmp.Or(identifier(requestID(h)), d.requestID)
	switch advice := llm.Advice(strings.ToLower(header(h, "X-Should-Retry"))); advice {
	case llm.AdviceRetry, llm.AdviceNoRetry:
		e.Advice = advice
	}
}

// requestID is the vendor's name for the request: OpenAI, Azure and Anthropic each have a header for it.
func requestID(h http.Header) string {
	return header(h, "X-Request-Id", "Request-Id", "Apim-Request-Id")
}

// creditCodes are the codes and types of an account without credit. A quota that is exceeded may also be one that comes
// back by itself; it counts as credit only where the vendor names no time.
var creditCodes = map[string]bool{
	"insufficient_quota": true, "billing_hard_limit_reached": true, "billing_not_active": true, "billing_error": true,
	"insufficient_balance": true, "insufficient_credits": true, "insufficient_funds": true,
	"credit_limit_reached": true,
	"payment_required":     true, "access_terminated": true,
}

func (d *errorDocument) outOfCredit(limits *llm.Limits) bool {
	comesBack := limits.RetryAfter > 0 || d.retryDelay > 0 || limits.ResetRequests > 0 || limits.ResetTokens > 0
	return d.credit || creditCodes[d.code] || creditCodes[d.kind] ||
		!comesBack && (d.code == "quota_exceeded" || d.kind == "quota_exceeded")
}

// keyCodes are the codes of an answer that refuses the vendor key, whatever its status is.
var keyCodes = map[string]bool{
	"invalid_api_key": true, "incorrect_api_key": true, "invalid_key": true, "api_key_invalid": true,
	"API_KEY_INVALID":        true,
	"invalid_authentication": true, "authentication_error": true, "account_deactivated": true, "UNAUTHENTICATED": true,
	"expired_api_key": true, "API_KEY_EXPIRED": true,
}

func (d *errorDocument) refusesKey() bool {
	return keyCodes[d.code] || keyCodes[d.reason] || keyCodes[d.kind]
}

// statuses are the statuses that codes and types of errors stand for, where an answer with status 200 carries one.
var statuses = map[string]int{
	"invalid_request_error": 400, "bad_request": 400, "invalid_prompt": 400, "content_filter": 400,
	"INVALID_ARGUMENT":         400,
	"content_policy_violation": 400, "context_length_exceeded": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400,
	"BadRequestError": 400, "invalid_image_format": 400,
	"authentication_error": 401, "invalid_api_key": 401, "UNAUTHENTICATED": 401, "AuthenticationError": 401,
	"billing_error": 402, "insufficient_quota": 429, "billing_hard_limit_reached": 429, "quota_exceeded": 429,
	"permission_error": 403, "PERMISSION_DENIED": 403, "permission_denied": 403,
	"not_found_error": 404, "model_not_found": 404, "NOT_FOUND": 404, "NotFoundError": 404, "not_found": 404,
	"request_too_large": 413,
	"rate_limit_error":  429, "rate_limit_exceeded": 429, "RESOURCE_EXHAUSTED": 429, "RateLimitError": 429,
	"too_many_requests": 429,
	"api_error":         500, "server_error": 500, "internal_error": 500, "internal_server_error": 500, "INTERNAL": 500,
	"InternalServerError": 500, "UNKNOWN": 500,
	"UNAVAILABLE": 503, "service_unavailable": 503, "engine_overloaded": 503, "ServiceUnavailableError": 503,
	"timeout_error": 504, "timeout": 504, "DEADLINE_EXCEEDED": 504, "vector_store_timeout": 504,
	"overloaded_error": statusOverloaded, "overloaded": statusOverloaded,
}

// statusOverloaded is Anthropic's status for being too busy.
const statusOverloaded = 529

// status is the HTTP status that an error within a 200 stands for: the one that it names, else the one of its code,
// then of its type. An unknown error is the vendor's, unless it names a parameter of the request.
func (d *errorDocument) status() int {
	byPrefix := 0
	if strings.HasPrefix(d.code, "invalid_") || strings.Contains(d.code, "image") { // OpenAI's, about images sent
		byPrefix = http.StatusBadRequest
	}
	fallback := http.StatusBadGateway
	if d.param {
		fallback = http.StatusBadRequest
	}
	return cmp.Or(d.number, statuses[d.code], statuses[d.reason], statuses[d.kind], byPrefix, fallback)
}
