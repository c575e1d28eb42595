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

// failureOf returns the failure that an answer with this status and error document is. It returns nil when the answer
// is about the client's request: the client then gets it as it is. The status is the answer's own, or the one that an
// error within a 200 stands for.
//
// A 4xx is about the client's request. The exceptions are what the client can neither cause nor mend: the vendor key,
// the account's credit, the rate limit, and 408, which is about the transport. A 429 for one request that is above the
// whole limit is the client's: no pause and no repeat can mend it, so what it says of the limits is forgotten.
func failureOf(status int, d *errorDocument, h http.Header, limits *llm.Limits) *llm.VendorError {
	kind := llm.Kind("")
	switch {
	case status == http.StatusProxyAuthRequired:
		return &llm.VendorError{Kind: llm.KindConnection, Err: errProxy}
	case status == http.StatusPaymentRequired || status < 500 && d.outOfCredit(limits):
		kind = llm.KindQuota
	case status == http.StatusUnauthorized || status >= 400 && status < 500 && d.refusesKey():
		kind = llm.KindAuth
	case status == http.StatusTooManyRequests && d.tooLarge:
		*limits = llm.Limits{}
		return nil
	case status == http.StatusTooManyRequests:
		kind = llm.KindRateLimit
	case status >= 500 || status == http.StatusRequestTimeout || status < 200 || status >= 300 && status < 400:
		kind = llm.KindStatus
	default:
		return nil
	}
	e := &llm.VendorError{Kind: kind, Status: status, RetryAfter: max(limits.RetryAfter, 0)}
	e.Code, e.Type = cmp.Or(d.code, d.reason), d.kind
	identify(e, h, d)
	return e
}

// identify adds the vendor's name for the request, and its advice.
func identify(e *llm.VendorError, h http.Header, d *errorDocument) {
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

// creditCodes are the codes and types of an account without credit.
var creditCodes = setOf(
	"insufficient_quota", "insufficient_balance", "insufficient_credits", "insufficient_funds",
	"billing_hard_limit_reached", "billing_not_active", "billing_error", "credit_limit_reached", "payment_required",
	"access_terminated",
)

// outOfCredit reports whether the account has no credit. "quota_exceeded" may also mean a rate limit, for which the
// vendor names a time.
func (d *errorDocument) outOfCredit(limits *llm.Limits) bool {
	comesBack := limits.RetryAfter > 0 || d.retryDelay > 0 || limits.ResetRequests > 0 || limits.ResetTokens > 0
	return d.credit || creditCodes[d.code] || creditCodes[d.kind] ||
		!comesBack && (d.code == "quota_exceeded" || d.kind == "quota_exceeded")
}

// keyCodes are the codes of an answer that refuses the vendor key, whatever its status is.
var keyCodes = setOf(
	"invalid_api_key", "incorrect_api_key", "invalid_key", "api_key_invalid", "API_KEY_INVALID",
	"expired_api_key", "API_KEY_EXPIRED",
	"invalid_authentication", "authentication_error", "UNAUTHENTICATED", "account_deactivated",
)

func setOf(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

func (d *errorDocument) refusesKey() bool {
	return keyCodes[d.code] || keyCodes[d.reason] || keyCodes[d.kind]
}

// statuses are the statuses that codes and types of errors stand for, where an answer with status 200 carries one.
var statuses = map[string]int{
	"invalid_request_error": 400, "bad_request": 400, "BadRequestError": 400, "INVALID_ARGUMENT": 400,
	"FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "invalid_prompt": 400, "context_length_exceeded": 400,
	"content_filter": 400, "content_policy_violation": 400, "invalid_image_format": 400,

	"authentication_error": 401, "AuthenticationError": 401, "UNAUTHENTICATED": 401, "invalid_api_key": 401,
	"billing_error":    402,
	"permission_error": 403, "permission_denied": 403, "PERMISSION_DENIED": 403,
	"not_found_error": 404, "not_found": 404, "NOT_FOUND": 404, "NotFoundError": 404, "model_not_found": 404,
	"request_too_large": 413,

	"rate_limit_error": 429, "rate_limit_exceeded": 429, "RateLimitError": 429, "too_many_requests": 429,
	"RESOURCE_EXHAUSTED": 429,
	"insufficient_quota": 429, "billing_hard_limit_reached": 429, "quota_exceeded": 429,

	"api_error": 500, "server_error": 500, "internal_error": 500, "internal_server_error": 500, "INTERNAL": 500,
	"InternalServerError": 500, "UNKNOWN": 500,
	"service_unavailable": 503, "UNAVAILABLE": 503, "ServiceUnavailableError": 503, "engine_overloaded": 503,
	"timeout_error": 504, "timeout": 504, "DEADLINE_EXCEEDED": 504, "vector_store_timeout": 504,
	"overloaded_error": statusOverloaded, "overloaded": statusOverloaded,
}

// statusOverloaded is the status of a vendor that is overloaded, such as Anthropic.
const statusOverloaded = 529

// status is the HTTP status that an error within a 200 stands for: the one that it names, else that of its code, else
// that of its type. An unknown error is the vendor's failure, unless it names a parameter of the request.
func (d *errorDocument) status() int {
	byPrefix := 0
	if strings.HasPrefix(d.code, "invalid_") || strings.Contains(d.code, "image") { // OpenAI's, about images
		byPrefix = http.StatusBadRequest
	}
	fallback := http.StatusBadGateway
	if d.param {
		fallback = http.StatusBadRequest
	}
	return cmp.Or(d.number, statuses[d.code], statuses[d.reason], statuses[d.kind], byPrefix, fallback)
}
