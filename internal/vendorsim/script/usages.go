package script

// usages are answers that report their tokens in one way or another.
func usages() []Named {
	said := func(usage string) Piece {
		return data(`{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":` +
			usage + `}`)
	}
	return []Named{
		document("usage-reasoning-details", "reasoning is part of completion_tokens", 200,
			completion(`,"usage":{"prompt_tokens":10,`+
				`"completion_tokens":1520,"total_tokens":1530,"completion_tokens_details":{"reasoning_tokens":1500}}`)),
		document("usage-cached-details", "cached tokens are part of prompt_tokens", 200,
			completion(`,"usage":{"prompt_tokens":4000,`+
				`"completion_tokens":20,"total_tokens":4020,"prompt_tokens_details":{"cached_tokens":3900}}`)),
		document("usage-missing", "a document without usage", 200, completion("")),
		document("usage-null", "usage is null", 200, completion(`,"usage":null`)),
		document("usage-zero", "usage says zero, and there is text", 200,
			completion(`,"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`)),
		document("usage-absurd", "usage says more than an answer can use", 200,
			completion(`,"usage":{"prompt_tokens":10,"completion_tokens":1e18,"total_tokens":1e18}`)),
		document("usage-negative", "usage is negative", 200,
			completion(`,"usage":{"prompt_tokens":-10,"completion_tokens":-20,"total_tokens":-30}`)),
		document("wrong-model", "another model answered", 200,
			`{"id":"c1","object":"chat.completion","created":1,"model":"other",`+
				`"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}`),
		stream("usage-hidden-stream", "hidden reasoning in the total of a stream", role(), says("Hi"), stops("stop"),
			said(`{"prompt_tokens":10,"completion_tokens":20,"total_tokens":1530}`), done()),
		stream("usage-growing", "every chunk says the usage so far", role(),
			data(chunk0(`"delta":{"content":"Hi"},"finish_reason":null`)),
			said(`{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}`),
			said(`{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}`), stops("stop"), done()),
		stream("usage-anthropic-cache", "Anthropic: cache writes and reads in a stream",
			messageStart(
				`{"input_tokens":10,"cache_creation_input_tokens":4000,"cache_read_input_tokens":9000,"output_tokens":1}`,
			), blockStart(), blockDelta(), blockStop(), messageDelta(`{"output_tokens":20}`), messageStop()),
	}
}
