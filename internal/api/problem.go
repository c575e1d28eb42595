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

// problem is what a client is told about a request that came to nothing.
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

// statusClosed is what a request counts as whose client hung up. Nobody receives it.
const statusClosed = 499

// rejections says what each reason to turn a request away means in HTTP. A detail that the layer gives replaces the one here.
var rejections = map[outcome.Reason]problem{
	outcome.InvalidJSON:          {status: http.StatusBadRequest, code: "invalid_json", title: "The body is not JSON", detail: "Send one JSON object in UTF-8."},
	outcome.InvalidPayload:       {status: http.StatusUnprocessableEntity, code: "invalid_payload", title: "The body is not a request this endpoint takes", detail: "See /docs for what it takes."},
	outcome.PayloadTooLarge:      {status: http.StatusRequestEntityTooLarge, code: "payload_too_large", title: "The request is too large", detail: "Send a smaller one."},
	outcome.UnsupportedMediaType: {status: http.StatusUnsupportedMediaType, code: "unsupported_media_type", title: "The body is not declared as JSON", detail: "Send JSON and say so in Content-Type."},
	reasonRequestTimeout:         {status: http.StatusRequestTimeout, code: "request_timeout", title: "The body came too slowly", detail: "Send the whole body sooner."},
	outcome.Unauthenticated:      {status: http.StatusUnauthorized, code: "unauthenticated", title: "No valid API key", detail: "Send a valid API key."},
	outcome.HeaderTooLong:        {status: http.StatusBadRequest, code: "header_too_long", title: "A header is too long", detail: "Send a shorter one."},
	outcome.UserRateLimited:      {status: http.StatusTooManyRequests, code: "user_rate_limited", title: "Your requests per minute are used up", detail: "Try again after Retry-After."},
	outcome.Overloaded:           {status: http.StatusServiceUnavailable, code: "overloaded", title: "This pod is full", detail: "Try again; another pod may have room."},
	outcome.Shed:                 {status: http.StatusTooManyRequests, code: "shed", title: "Turned away under load", detail: "Try again after Retry-After."},
	outcome.ShedLatency:          {status: http.StatusServiceUnavailable, code: "shed", title: "Turned away because answers come too late", detail: "Try again after Retry-After."},
	outcome.QueueTimeout:         {status: http.StatusTooManyRequests, code: "queue_timeout", title: "No place became free in time", detail: "Try again later; the service is busy."},
	outcome.VendorRateLimited:    {status: http.StatusTooManyRequests, code: "vendor_rate_limited", title: "The vendor's rate limit is used up", detail: "Try again after Retry-After."},
	outcome.VendorUnavailable:    {status: http.StatusServiceUnavailable, code: "vendor_unavailable", title: "The vendor is down", detail: "The vendor has been failing, so it is not being called for now. Try again after Retry-After."},
	outcome.DeadlineExceeded:     {status: http.StatusGatewayTimeout, code: "deadline_exceeded", title: "The request took too long", detail: "The answer did not come within the service's deadline."},
	outcome.ClientClosed:         {status: statusClosed, code: "client_closed", title: "The client hung up", detail: "Nobody reads this."},
	outcome.ShuttingDown:         {status: http.StatusServiceUnavailable, code: "shutting_down", title: "This pod is closing", detail: "Try again; another pod serves you.", retryAfter: time.Second},
	jobs.Unavailable:             {status: http.StatusServiceUnavailable, code: "jobs_unavailable", title: "Jobs cannot be taken now", detail: "The queue cannot be reached. Try again after Retry-After, with the same Idempotency-Key, so that it is not done twice; calls without respond-async are served."},
	jobs.TooMany:                 {status: http.StatusTooManyRequests, code: "too_many_jobs", title: "You have too many jobs", detail: "Wait for some to end, or cancel some."},
	jobs.Full:                    {status: http.StatusServiceUnavailable, code: "jobs_full", title: "No room for more jobs", detail: "The memory for jobs and their results is used up. Try again after Retry-After; calls without respond-async are served."},
	jobs.TooManyBytes:            {status: http.StatusTooManyRequests, code: "too_many_job_bytes", title: "Your jobs take too much memory", detail: "Wait until results of yours leave, or send smaller jobs."},
	jobs.ResultDropped:           {status: http.StatusInsufficientStorage, code: "job_result_dropped", title: "The job's result could not be stored", detail: "The vendor answered, and the answer could not be stored."},
	jobs.JobPoisoned:             {status: http.StatusInternalServerError, code: "job_poisoned", title: "The job was set aside", detail: "Pods of the service ended while they worked on it, so it is not tried again. Report the job's ID."},
	jobs.IdempotencyMismatch:     {status: http.StatusUnprocessableEntity, code: "idempotency_mismatch", title: "This Idempotency-Key belongs to another job", detail: "Its body was another. Send a key of its own with each job."},
	reasonJobStream:              {status: http.StatusUnprocessableEntity, code: "job_without_stream", title: "A job has no stream", detail: "No client waits to read it. Leave out \"stream\", or leave out respond-async."},
	jobs.NotFound:                {status: http.StatusNotFound, code: "job_not_found", title: "You have no such job", detail: "There never was one of this ID, it belongs to another user, or its result has expired."},
	jobs.Ended:                   {status: http.StatusConflict, code: "job_ended", title: "The job has ended already", detail: "It cannot be cancelled. Its result can be read until it expires."},
	reasonNotFound:               {status: http.StatusNotFound, code: "not_found", title: "No such page", detail: "POST /llm is the way in; /docs shows the rest."},
	reasonMethodNotAllowed:       {status: http.StatusMethodNotAllowed, code: "method_not_allowed", title: "This page does not take that method", detail: "See the Allow header."},
}

// Reasons that only this package has.
const (
	reasonNotFound         outcome.Reason = "not_found"
	reasonMethodNotAllowed outcome.Reason = "method_not_allowed"
	reasonRequestTimeout   outcome.Reason = "request_timeout"
	reasonJobStream        outcome.Reason = "job_without_stream"
)

// internalError is a problem that is no rejection. Those of the vendor are in vendorproblem.go.
var internalError = problem{status: http.StatusInternalServerError, code: "internal", title: "Internal error", detail: "The service has a defect. Report the request ID."}

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
