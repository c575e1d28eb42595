package script

import "strings"

// errorsInside are answers with status 200 that carry an error.
func errorsInside() []Named {
	const busy = `{"error":{"code":502,"message":"Provider returned error"}}`
	overloaded := failedAnthropic("overloaded_error", "Overloaded")
	server := `,"error":{"code":"server_error","message":"The server had an error"}`
	long := `,"error":{"code":"context_length_exceeded","message":"Your input exceeds the context window."}`
	echo := `,"instructions":"` + strings.Repeat("Be brief. ", 7000) + `"`
	return []Named{
		document("json-vllm-error-200", "vLLM before 0.10: an error object, its code is the status", 200,
			`{"object":"error","message":"out of memory","type":"InternalServerError","param":null,"code":500}`),
		stream("event-error-first", "event: error with OpenAI's document, first",
			event("error", failed("server_error", "server_error", "The server had an error"))),
		stream("openai-error-first", "an error with texts as type and code, first",
			data(failed("server_error", "server_error", "The server had an error"))),
		stream("openrouter-error-first", "OpenRouter: the error's code is a status, first",
			text(": OPENROUTER PROCESSING\n\n"), data(busy)),
		stream("openrouter-error-later", "OpenRouter: a chunk with an error and finish_reason error", role(),
			says("Hi"),
			data(`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","error":{"code":502,"message":"down"},`+
				`"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`), done()),
		stream("role-then-error", "a chunk with a role only, and then an error", role(), data(busy)),
		stream("rate-limit-first", "a rate limit inside status 200",
			data(failed("tokens", "rate_limit_exceeded", "slow down"))),
		stream("quota-first", "the account is out of credit, inside status 200",
			data(failed("insufficient_quota", "insufficient_quota", "You exceeded your current quota"))),
		stream("anthropic-overloaded-later", "overloaded_error after content",
			messageStart(`{"input_tokens":9,"output_tokens":1}`), blockStart(), blockDelta(),
			event("error", overloaded)),
		stream("anthropic-start-then-overloaded", "message_start, and then overloaded_error",
			messageStart(`{"input_tokens":9,"output_tokens":1}`), event("error", overloaded)),
		stream("responses-failed-first", "response.failed before any content",
			responseEvent("response.created", "in_progress", ""), responseEvent("response.failed", "failed", server)),
		stream("responses-failed-later", "response.failed after content",
			responseEvent("response.created", "in_progress", ""), responseDelta("Hi"),
			responseEvent("response.failed", "failed", server)),
		stream("responses-error-event", "the error event of Responses, first", event("error",
			`{"type":"error","sequence_number":0,"code":"server_error","message":"The server had an error","param":null}`)),
		stream("responses-keepalive-then-failed", "keepalive and an event with empty data, and then response.failed",
			responseEvent("response.created", "in_progress", ""),
			event("keepalive", `{"type":"keepalive","sequence_number":1}`), text("data:\n\n"),
			responseEvent("response.failed", "failed", server)),
		stream("responses-failed-too-long", "response.failed because the prompt is too long for the model",
			responseEvent("response.created", "in_progress", ""), responseEvent("response.failed", "failed", long)),
		stream("responses-error-too-long", "the same in the error event of Responses", event("error",
			`{"type":"error","sequence_number":0,"code":"context_length_exceeded",`+
				`"message":"Your input exceeds the context window.","param":"input"}`)),
		stream("responses-error-too-large", "the error event of Responses: the request is above the whole limit",
			event("error", `{"type":"error","sequence_number":0,"code":"rate_limit_exceeded","message":"`+aboveLimit+
				`","param":null}`)),
		stream("responses-echo-then-too-long", "large instructions are echoed, and then the prompt is too long",
			responseEvent("response.created", "in_progress", echo),
			responseEvent("response.in_progress", "in_progress", echo),
			responseEvent("response.failed", "failed", long)),
		document("json-overloaded-200", "Anthropic's error document with status 200", 200, overloaded),
		document("json-openai-error-200", "OpenAI's error document with status 200", 200,
			failed("server_error", "server_error", "The server had an error")),
		document("json-error-null", "an error member that is null is no error", 200, completion(`,"error":null`)),
	}
}
