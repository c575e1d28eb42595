package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/middleware"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// problem is what a client reads about a request that failed or was refused.
type problem struct {
	status     int
	code       string        // stable, for programs
	title      string        // the same for every problem of this code
	detail     string        // what to do, or where the mistake is
	retryAfter time.Duration // zero: no header
	layer      string        // for the log
	attempts   int           // vendor attempts; 0 leaves it out
	final      bool          // a repeat of the same request cannot help

	vendor *llm.VendorError // what the vendor said; nil when it was not the vendor
}

// statusClosed is the status in log and metrics of a request whose client closed the connection. It is never sent.
const statusClosed = 499

// rejections gives each reason for a refusal its meaning in HTTP. A detail from the layer replaces the one here.
var rejections = map[outcome.Reason]problem{
	outcome.InvalidJSON: {status: http.StatusBadRequest, code: "invalid_json", title: "The body is not JSON",
		detail: "Send one JSON object in UTF-8."},
	outcome.InvalidPayload: {status: http.StatusUnprocessableEntity, code: "invalid_payload",
		title: "The body is not a request of this endpoint", detail: "See /docs for its form."},
	outcome.EndpointNotServed: {status: http.StatusNotFound, code: "endpoint_not_served",
		title: "No vendor has this endpoint for this model", detail: "Ask another endpoint, or for another model."},
	outcome.PayloadTooLarge: {status: http.StatusRequestEntityTooLarge, code: "payload_too_large",
		title: "The request is too large", detail: "Send a smaller request."},
	outcome.UnsupportedMediaType: {status: http.StatusUnsupportedMediaType, code: "unsupported_media_type",
		title: "The body is not declared as JSON", detail: "Send JSON and say so in Content-Type."},
	reasonRequestTimeout: {status: http.StatusRequestTimeout, code: "request_timeout",
		title: "The body came too slowly", detail: "Send the whole body sooner."},
	outcome.Unauthenticated: {status: http.StatusUnauthorized, code: "unauthenticated", title: "No valid API key",
		detail: "Send a valid API key."},
	outcome.HeaderTooLong: {status: http.StatusBadRequest, code: "header_too_long",
		title: "A header is too long", detail: "Send a shorter header."},
	outcome.UserRateLimited: {status: http.StatusTooManyRequests, code: "user_rate_limited",
		title: "Your requests per minute are used up", detail: "Try again after Retry-After."},
	outcome.TooManyCalls: {status: http.StatusTooManyRequests, code: "too_many_calls",
		title: "You have too many requests at a time", detail: "Wait until one of your requests has ended."},
	outcome.UserTokensLimited: {status: http.StatusTooManyRequests, code: "user_token_limited",
		title: "Your tokens per minute are used up", detail: "Try again after Retry-After."},
	outcome.Overloaded: {status: http.StatusServiceUnavailable, code: "overloaded", title: "This pod is full",
		detail: "Try again. Another pod may have room."},
	outcome.Shed: {status: http.StatusTooManyRequests, code: "shed", title: "Refused under load",
		detail: "Try again after Retry-After."},
	outcome.ShedLatency: {status: http.StatusServiceUnavailable, code: "shed",
		title: "Refused because answers come too late", detail: "Try again after Retry-After."},
	outcome.QueueTimeout: {status: http.StatusTooManyRequests, code: "queue_timeout",
		title: "The request waited too long", detail: "The service is busy. Try again later."},
	outcome.VendorRateLimited: {status: http.StatusTooManyRequests, code: "vendor_rate_limited",
		title: "The vendor's rate limit is used up", detail: "Try again after Retry-After."},
	outcome.VendorUnavailable: {status: http.StatusServiceUnavailable, code: "vendor_unavailable",
		title: "The vendor is down", detail: "Calls to the vendor failed, so none are made for a while. " +
			"Try again after Retry-After."},
	outcome.DeadlineExceeded: {status: http.StatusGatewayTimeout, code: "deadline_exceeded",
		title: "The request took too long", detail: "There was no answer within the deadline of this service."},
	outcome.ClientClosed: {status: statusClosed, code: "client_closed",
		title: "The client closed the connection", detail: "There is no client to read this."},
	outcome.ShuttingDown: {status: http.StatusServiceUnavailable, code: "shutting_down",
		title: "This pod is shutting down", detail: "Try again. Another pod will answer.", retryAfter: time.Second},
	jobs.Unavailable: {status: http.StatusServiceUnavailable, code: "jobs_unavailable",
		title: "Jobs cannot be accepted now", detail: "The queue cannot be reached. Try again after Retry-After, " +
			"with the same Idempotency-Key so that the job is done once. Calls without respond-async are served."},
	jobs.TooMany: {status: http.StatusTooManyRequests, code: "too_many_jobs",
		title: "You have too many jobs", detail: "Wait until some have ended, or cancel some."},
	jobs.Full: {status: http.StatusServiceUnavailable, code: "jobs_full",
		title: "No room for more jobs", detail: "The memory for jobs and their results is used up. " +
			"Try again after Retry-After. Calls without respond-async are served."},
	jobs.TooManyBytes: {status: http.StatusTooManyRequests, code: "too_many_job_bytes",
		title: "Your jobs take too much memory", detail: "Wait until some results expire, or send smaller jobs."},
	jobs.ResultDropped: {status: http.StatusInsufficientStorage, code: "job_result_dropped",
		title:  "The job's result could not be stored",
		detail: "The vendor answered, and the answer could not be stored."},
	jobs.JobPoisoned: {status: http.StatusInternalServerError, code: "job_poisoned",
		title: "The job was set aside", detail: "Pods of the service ended while they worked on it, " +
			"so it is not tried again. Report the job's ID."},
	jobs.IdempotencyMismatch: {status: http.StatusUnprocessableEntity, code: "idempotency_mismatch",
		title:  "This Idempotency-Key belongs to another job",
		detail: "That job has another body. Send each job with a key of its own."},
	reasonJobStream: {status: http.StatusUnprocessableEntity, code: "job_without_stream",
		title: "A job has no stream", detail: "Leave out \"stream\", or leave out respond-async."},
	jobs.NotFound: {status: http.StatusNotFound, code: "job_not_found", title: "You have no such job",
		detail: "The job does not exist, belongs to another user, or was deleted when its result expired."},
	jobs.Ended: {status: http.StatusConflict, code: "job_ended", title: "The job has ended already",
		detail: "It cannot be cancelled any more. Its result can be read until it expires."},
	reasonNotFound: {status: http.StatusNotFound, code: "not_found", title: "No such path",
		detail: "The endpoints are described at /docs."},
	reasonModelNotFound: {status: http.StatusNotFound, code: "model_not_found", title: "No such model",
		detail: "GET /v1/models lists the models that are served."},
	reasonMethodNotAllowed: {status: http.StatusMethodNotAllowed, code: "method_not_allowed",
		title: "The path does not take this method", detail: "The Allow header lists the methods it takes."},
}

// Reasons that only this package has.
const (
	reasonNotFound         outcome.Reason = "not_found"
	reasonModelNotFound    outcome.Reason = "model_not_found"
	reasonMethodNotAllowed outcome.Reason = "method_not_allowed"
	reasonRequestTimeout   outcome.Reason = "request_timeout"
	reasonJobStream        outcome.Reason = "job_without_stream"
)

// internalError is a problem that is no rejection. Those of the vendor are in vendorproblem.go.
var internalError = problem{status: http.StatusInternalServerError, code: "internal", title: "Internal error",
	detail: "The service has a defect. Report the request ID."}

// ProblemDocument is the status and the document that a call which ended with err is answered with.
func ProblemDocument(err error, requestID string) (status int, document []byte) {
	p := problemOf(err)
	return p.status, p.document(dialectOpenAI, requestID)
}

// problemOf is the one place where an error becomes a status.
func problemOf(err error) problem {
	if r, ok := errors.AsType[*outcome.Rejected](err); ok {
		p, known := rejections[r.Reason]
		if !known {
			return internalError
		}
		p.layer, p.retryAfter = r.Layer, max(r.RetryAfter, p.retryAfter)
		if r.Detail != "" {
			p.detail = r.Detail
		}
		return p
	}
	if failed, ok := errors.AsType[*llm.VendorError](err); ok {
		return vendorProblem(failed)
	}
	switch {
	case errors.Is(err, middleware.ErrDeadline):
		return rejections[outcome.DeadlineExceeded]
	case errors.Is(err, context.Canceled), errors.Is(err, errClientGone):
		return rejections[outcome.ClientClosed]
	}
	return internalError
}

func rejected(reason outcome.Reason) error {
	return &outcome.Rejected{Layer: "router", Reason: reason}
}
