package script

// waits are refusals that say when to come again, each in its own way.
func waits() []Named {
	slow := failed("requests", "rate_limit_exceeded", "Rate limit reached")
	after := func(name, why, value string) Named { return document(name, why, 429, slow, "Retry-After", value) }
	return []Named{
		document("429-bare", "no number at all", 429, slow),
		after("429-seconds", "Retry-After in seconds", "2"),
		after("429-zero", "Retry-After: 0", "0"),
		after("429-date", "Retry-After as a date", "@now+3"),
		after("429-date-past", "Retry-After as a date that has passed", "@now-30"),
		after("429-epoch", "Retry-After as an epoch in seconds", "@now+3 as epoch"),
		after("429-epoch-ms", "Retry-After as an epoch in milliseconds", "@now+3 as epoch ms"),
		after("429-negative", "a negative Retry-After", "-5"),
		after("429-fraction", "Retry-After in parts of a second", "1.5"),
		after("429-unit", "Retry-After with a unit", "5s"),
		after("429-list", "Retry-After twice in one header", "2, 5"),
		after("429-infinity", "Retry-After: Infinity", "Infinity"),
		after("429-ten-days", "Retry-After: ten days", "864000"),
		after("503-seconds", "a 503 with Retry-After", "2").status(503),
		document("429-retry-after-ms", "retry-after-ms beside a larger Retry-After", 429, slow,
			"Retry-After", "2", "Retry-After-Ms", "1200"),
		document("429-should-retry-false", "x-should-retry: false", 429, slow,
			"Retry-After", "2", "x-should-retry", "false"),
		document("429-openai-reset", "OpenAI's reset times, with units", 429, slow, "x-ratelimit-remaining-requests",
			"0",
			"x-ratelimit-reset-requests", "1m2.5s", "x-ratelimit-remaining-tokens", "900", "x-ratelimit-reset-tokens",
			"120ms"),
		document("429-anthropic-reset", "Anthropic's reset times, as RFC 3339", 429,
			failedAnthropic("rate_limit_error", "This request would exceed your rate limit"),
			"anthropic-ratelimit-requests-remaining", "0", "anthropic-ratelimit-requests-reset", "@now+4 as RFC 3339"),
		document("429-gemini", "Gemini: the wait is in the body", 429,
			`{"error":{"code":429,"message":"Quota exceeded",`+
				`"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo",`+
				`"retryDelay":"3s"}]}}`),
	}
}

// status is n with another status.
func (n Named) status(status int) Named { return with(n, func(a *Answer) { a.Status = status }) }
