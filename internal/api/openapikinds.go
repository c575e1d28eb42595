package api

import (
	"net/http"

	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/outcome"
)

// kind is what routes have in common that answer with the same problems.
type kind struct {
	name        string // begins the names of its responses
	contentType string // of its error documents
	dialect     dialect
	calls       bool // they lead to the vendor, whose own refusals are passed on
	counted     bool // they count in their user's limit
	takes       func(code string) bool
}

// kinds are all kinds of routes on which something can fail.
var kinds = []kind{
	{name: "llm", contentType: problemJSON, dialect: dialectOpenAI, calls: true, counted: true, takes: ofLLM},
	{name: "call", contentType: plainJSON, dialect: dialectOpenAI, calls: true, counted: true, takes: ofCalls},
	{name: "messages", contentType: plainJSON, dialect: dialectAnthropic, calls: true, counted: true, takes: ofCalls},
	{name: "jobs", contentType: problemJSON, dialect: dialectOpenAI, takes: func(code string) bool {
		return lookups[code] || common[code] || code == tooManyCalls
	}},
	{name: "models", contentType: plainJSON, dialect: dialectOpenAI, counted: true, takes: func(code string) bool {
		return common[code] && !submissions[code] && code != rejections[outcome.InvalidPayload].code ||
			code == modelNotFound || code == rejections[outcome.VendorUnavailable].code
	}},
	{name: "any", contentType: problemJSON, dialect: dialectOpenAI, takes: func(code string) bool {
		return routing[code]
	}},
}

// headers are those that an answer with a status may have.
func (k kind) headers(status int) map[string]ref {
	of := func(all map[string]ref, names ...string) {
		for _, name := range names {
			all[name] = ref{"#/components/headers/" + name}
		}
	}
	all := map[string]ref{}
	of(all, "X-Request-ID", "X-Should-Retry")
	if k.dialect == dialectAnthropic {
		of(all, "request-id")
	}
	switch status {
	case http.StatusUnauthorized:
		of(all, "WWW-Authenticate")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		of(all, "Retry-After")
	}
	if k.counted {
		of(all, "RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
	}
	if k.name == "llm" { // a job that was waited for answers as a call does
		of(all, "Location", "Preference-Applied")
	}
	if k.calls {
		of(all, "X-RateLimit-Limit-Tokens", "X-RateLimit-Remaining-Tokens", "X-RateLimit-Reset-Tokens",
			"X-LLM-Lane", "X-Vendor-Request-ID", "Server-Timing")
	}
	return all
}

// The types of error documents.
const (
	problemJSON = "application/problem+json"
	plainJSON   = "application/json"
)

// inEvents are codes that only streams end with, when they have begun.
var inEvents = map[string]bool{streamIdle.code: true, streamTooLong.code: true}

func ofLLM(code string) bool { return !lookups[code] && !routing[code] && code != modelNotFound }

// ofCalls also has what an endpoint answers that is not open.
func ofCalls(code string) bool {
	return !lookups[code] && !submissions[code] && code != methodNotAllowed && code != modelNotFound
}

var modelNotFound, methodNotAllowed = rejections[reasonModelNotFound].code, rejections[reasonMethodNotAllowed].code

var tooManyCalls = rejections[outcome.TooManyCalls].code

var (
	// lookups are codes of requests that look at a job alone; common those that they share with calls.
	lookups = codesOf(jobs.NotFound, jobs.Ended)
	common  = codesOf(outcome.Unauthenticated, outcome.HeaderTooLong, outcome.InvalidPayload, outcome.UserRateLimited,
		outcome.Overloaded, outcome.DeadlineExceeded, jobs.Unavailable, reasonNotFound)
	// routing are codes of paths and methods that do not exist.
	routing = codesOf(reasonNotFound, reasonMethodNotAllowed)
	// submissions are codes of requests that ask for a job.
	submissions = codesOf(jobs.Unavailable, jobs.Full, jobs.TooMany, jobs.TooManyBytes, jobs.IdempotencyMismatch,
		reasonJobStream, jobs.ResultDropped, jobs.JobPoisoned)
)

func codesOf(reasons ...outcome.Reason) map[string]bool {
	codes := map[string]bool{}
	for _, r := range reasons {
		codes[rejections[r].code] = true
	}
	return codes
}
