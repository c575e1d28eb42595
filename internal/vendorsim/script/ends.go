package script

// ends are streams that end in one way or another.
func ends() []Named {
	crlf := func(p Piece) Piece { return text(p.Text[:len(p.Text)-2] + "\r\n\r\n") }
	responseDone := `,"usage":{"input_tokens":9,"output_tokens":2,"total_tokens":11}`
	return []Named{
		stream("crlf-lines", "lines end with CRLF", crlf(role()), crlf(says("Hi ")), crlf(says("there")),
			crlf(stops("stop")), crlf(done())),
		stream("bom-stream", "a byte order mark before the first event", text("\ufeff"+says("Hi").Text), stops("stop"),
			done()),
		stream("last-event-unterminated", "the last event has no blank line", says("Hi"), stops("stop"),
			text("data: [DONE]")),
		stream("empty-stream", "an event stream without a byte"),
		stream("silence-first", "headers, and then nothing for a minute", silence(60)),
		stream("comment-then-silence", "a keep-alive, and then nothing for a minute", text(": keep-alive\n\n"),
			silence(60)),
		stream("comments-only-long", "keep-alives for two minutes and no event",
			Piece{Repeat: ": keep-alive\n\n", Every: 1, Times: 120}),
		stream("role-then-silence", "a chunk with a role only, and then nothing for a minute", role(), silence(60)),
		stream("slow-first-token", "the first content comes after 15 seconds", role(), silence(15), says("Hi"),
			stops("stop"), done()),
		stream("content-then-silence", "content, and then nothing for two minutes", role(), says("Hi"), silence(120)),
		stream("cut-after-content", "the connection closes after content", role(), says("Hi"), Piece{Cut: true}),
		stream("reset-after-content", "the connection breaks after content", role(), says("Hi"), silence(0.2),
			Piece{Reset: true}),
		stream("done-then-reset", "[DONE], and then the connection breaks", says("Hi"), stops("stop"), done(),
			silence(0.2), Piece{Reset: true}),
		stream("clean-end-without-stop", "a clean end, but no finish_reason and no [DONE]", role(), says("Hi")),
		stream("length-without-done", "finish_reason length, no [DONE]", role(), says("Hi"), stops("length")),
		stream("content-filter", "the vendor's content filter ends the answer", role(), says("Hi"),
			stops("content_filter"),
			done()),
		stream("refusal", "the model refuses", role(),
			data(chunk0(`"delta":{"refusal":"I cannot help with that."},"finish_reason":null`)), stops("stop"), done()),
		stream("tool-call", "a tool call in pieces and no text",
			data(chunk0(
				`"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function",`+
					`"function":{"name":"f","arguments":""}}]},"finish_reason":null`)),
			data(chunk0(
				`"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]},"finish_reason":null`)),
			data(chunk0(`"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"finish_reason":null`)),
			stops("tool_calls"), done()),
		stream("anthropic-whole", "Anthropic's events, to message_stop",
			messageStart(`{"input_tokens":9,"output_tokens":1}`),
			blockStart(), event("ping", `{"type":"ping"}`), blockDelta(), blockStop(),
			messageDelta(`{"output_tokens":2}`),
			messageStop()),
		stream("anthropic-then-open", "message_stop, and then the connection stays open",
			messageStart(`{"input_tokens":9,"output_tokens":1}`), blockStart(), blockDelta(), blockStop(),
			messageDelta(`{"output_tokens":2}`), messageStop(), silence(30)),
		stream("anthropic-cut", "Anthropic's events without message_stop; the end is clean",
			messageStart(`{"input_tokens":9,"output_tokens":1}`), blockStart(), blockDelta()),
		stream("responses-incomplete", "response.incomplete ends a stream too",
			responseEvent("response.created", "in_progress", ""), responseDelta("Hi"),
			responseEvent("response.incomplete", "incomplete",
				`,"incomplete_details":{"reason":"max_output_tokens"}`+responseDone)),
		stream("responses-cut", "no last event; the end is clean", responseEvent("response.created", "in_progress", ""),
			responseDelta("Hi")),
	}
}
