package script

// aboveLimit is what OpenAI says to a request that is above the whole limit, so that it can never succeed.
const aboveLimit = "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, " +
	"Requested 36278. The input or output tokens must be reduced in order to run successfully."

// refusals are answers that refuse the request, its key, or its account.
func refusals() []Named {
	const request = "invalid_request_error"
	return []Named{
		document("400-context-length", "the prompt is too long for the model", 400,
			failed(request, "context_length_exceeded", "This model's maximum context length is 8192 tokens.")),
		document("400-anthropic-too-long", "the same from Anthropic", 400,
			failedAnthropic(request, "prompt is too long: 250000 tokens > 200000 maximum")),
		document("400-content-filter", "Azure's content filter", 400,
			failed(request, "content_filter", "The response was filtered due to the prompt.")),
		document("400-anthropic-credit", "Anthropic: the account is out of credit", 400,
			failedAnthropic(request, "Your credit balance is too low to access the Anthropic API.")),
		document("400-gemini-key", "Gemini refuses the key", 400,
			`[{"error":{"code":400,"message":"API key not valid: AIza-abc",`+
				`"status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",`+
				`"reason":"API_KEY_INVALID"}]}}]`),
		document("401-bare", "a 401 that says nothing more", 401, "no", "Content-Type", "text/plain"),
		document("401-anthropic", "Anthropic refuses the key", 401,
			failedAnthropic("authentication_error", "invalid x-api-key")),
		document("402-credit", "OpenRouter: the account is out of credit", 402,
			`{"error":{"code":402,"message":"Insufficient credits"}}`),
		document("403-key", "a 403 that refuses the key", 403,
			failed(request, "invalid_api_key", "Invalid key: sk-abc")),
		document("403-region", "a 403 about the country", 403,
			failed("request_forbidden", "unsupported_country_region_territory",
				"Country, region, or territory not supported")),
		document("403-html", "a 403 of a firewall", 403,
			"<html><body>Forbidden</body></html>", "Content-Type", "text/html"),
		document("404-model", "an unknown model", 404,
			failed(request, "model_not_found", "The model `m` does not exist")),
		document("407-proxy", "the proxy on the way asks for a password", 407, "", "Proxy-Authenticate",
			`Basic realm="proxy"`, "Content-Type", ""),
		document("408-timeout", "the vendor waited too long for the request", 408,
			failed("server_error", "timeout", "timeout")),
		document("409-conflict", "a conflict, which some clients repeat", 409, failed(request, "conflict", "conflict")),
		document("413-large", "the body is too large for the vendor", 413,
			failed(request, "request_too_large", "too large")),
		document("422-schema", "the request does not fit the schema", 422,
			failed(request, "unprocessable", "no such member")),
		document("429-billing-limit", "the limit on spending is reached", 429,
			failed("billing_hard_limit_reached", "billing_hard_limit_reached", "Billing hard limit has been reached")),
		document("429-quota-exceeded", "a quota that does not come back by itself", 429,
			failed("quota_exceeded", "quota_exceeded", "You have no quota left")),
		document("429-too-large", "one request is above the whole limit", 429,
			failed("tokens", "rate_limit_exceeded", aboveLimit), "x-ratelimit-limit-tokens", "30000",
			"x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "1m12.5s", "Retry-After", "73"),
		document("500-should-retry-false", "a 500 that a repeat cannot mend", 500,
			failed("server_error", "server_error", "broken"), "x-should-retry", "false"),
		document("400-should-retry-true", "a 400 that the vendor wants repeated", 400,
			failed(request, "try_again", "try again"), "x-should-retry", "true"),
		document("500", "a failure", 500, failed("server_error", "server_error", "The server had an error")),
		document("500-azure", "Azure fails, with its name for the request", 500,
			failed("server_error", "server_error", "The server had an error"), "apim-request-id", "azure-7"),
		document("529-overloaded", "Anthropic is overloaded", 529, failedAnthropic("overloaded_error", "Overloaded")),
	}
}
