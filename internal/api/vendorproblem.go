package api

import (
	"cmp"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// The problems of calls that reached the vendor.
var (
	vendorFailed = problem{
		status: http.StatusBadGateway, code: "vendor_error", title: "The vendor failed",
	}
	vendorAuth = problem{
		status: http.StatusBadGateway, code: "vendor_auth", title: "The vendor does not accept this service",
		final:  true,
		detail: "The operators of this service must mend this. Your own key is valid.",
	}
	vendorQuota = problem{
		status: http.StatusTooManyRequests, code: "insufficient_quota", title: "The vendor's account is out of credit",
		final:  true,
		detail: "The operators of this service must mend this. Repeating the request does not help.",
	}
	answerTooLarge = problem{
		status: http.StatusBadGateway, code: "answer_too_large",
		title:  "The answer is larger than this service passes on",
		detail: "Ask for less, or for a stream. The service's operators set the limit (VENDOR_MAX_RESPONSE).",
	}
	streamIdle = problem{
		status: http.StatusGatewayTimeout, code: "stream_idle", title: "The stream paused for too long",
		detail: "The vendor sent nothing for longer than this service waits between two events (STREAM_IDLE).",
	}
	streamTooLong = problem{
		status: http.StatusGatewayTimeout, code: "stream_too_long", title: "The stream went on for too long",
		detail: "This service ends every stream at its longest time (STREAM_MAX). Ask for a shorter answer.",
	}
)

// vendorProblem is the problem of a call that failed at the vendor, or that a limit on its answer ended.
func vendorProblem(failed *llm.VendorError) problem {
	p := vendorFailed
	switch failed.Kind {
	case llm.KindAuth:
		p = vendorAuth
	case llm.KindQuota:
		p = vendorQuota
	case llm.KindRateLimit:
		p = rejections[outcome.VendorRateLimited]
		p.retryAfter = time.Second // unless the vendor names a time
	case llm.KindTooLarge:
		p = answerTooLarge
	case llm.KindIdle:
		p = streamIdle
	case llm.KindLength:
		p = streamTooLong
	case llm.KindConnection, llm.KindTimeout, llm.KindStatus, llm.KindBadContent:
	}
	p.detail = cmp.Or(p.detail,
		"There was no answer, or it was an error. Attempts made: "+strconv.Itoa(failed.Attempts)+".")
	p.layer, p.vendor, p.attempts = "vendor", failed, failed.Attempts
	p.retryAfter = max(failed.RetryAfter, p.retryAfter)
	p.final = p.final || failed.Advice == llm.AdviceNoRetry
	return p
}

// logVendor adds what the vendor itself said to the access log.
func logVendor(in *middleware.Info, e *llm.VendorError) {
	if e == nil {
		return
	}
	in.Add(slog.Group("vendor", slog.String("failure", string(e.Kind)), slog.Int("status", e.Status),
		slog.String("code", e.Code), slog.String("type", e.Type), slog.String("request_id", e.RequestID)))
}

// appendVendor adds what the vendor itself said, as a member of the document. Its values are identifiers: upstream
// drops free text, which could hold a key or a prompt.
func appendVendor(b []byte, e *llm.VendorError) []byte {
	if e == nil || e.Status == 0 && e.RequestID == "" {
		return b
	}
	b = append(b, `,"vendor":{"status":`...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	for _, member := range [...]struct{ name, value string }{{"code", e.Code}, {"type", e.Type},
		{"request_id", e.RequestID}} {
		if member.value != "" {
			b = append(b, `,"`...)
			b = append(b, member.name...)
			b = append(b, `":`...)
			b = appendJSONString(b, member.value)
		}
	}
	return append(b, '}')
}
