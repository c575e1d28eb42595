package script

// types are answers whose headers and bytes do not say what is expected.
func types() []Named {
	whole := []Piece{role(), says("Hi "), says("there"), stops("stop"), done()}
	typed := func(name, why, contentType string) Named {
		return with(stream(name, why, whole...), func(a *Answer) { a.Headers["Content-Type"] = contentType })
	}
	zipped := func(n Named) Named { return with(n, func(a *Answer) { a.Encoding = "gzip" }) }
	return []Named{
		typed("no-type-stream", "an event stream without a Content-Type", ""),
		typed("json-type-stream", "an event stream that says application/json", jsonType),
		typed("octet-stream", "an event stream that says application/octet-stream", "application/octet-stream"),
		with(stream("ndjson-stream", "JSON lines instead of events",
			text(`{"message":{"content":"Hi"},"done":false}`+"\n"),
			text(`{"message":{"content":""},"done":true}`+"\n")),
			func(a *Answer) { a.Headers["Content-Type"] = "application/x-ndjson" }),
		with(document("json-for-stream", "one JSON document where a stream was asked for", 200, completion("")),
			func(a *Answer) { a.Framing = Chunked }),
		document("json-as-text", "JSON that says text/plain", 200, completion(""), "Content-Type", "text/plain"),
		document("json-no-type", "JSON without a Content-Type", 200, completion(""), "Content-Type", ""),
		document("json-nan", "NaN in JSON: not JSON, and whole", 200, completion(`,"score":NaN`)),
		document("html-200", "a page of a proxy with status 200", 200, "<html><body>Please sign in.</body></html>",
			"Content-Type", "text/html"),
		document("html-502", "a page of a proxy with status 502", 502, "<html><body>Bad Gateway</body></html>",
			"Content-Type", "text/html"),
		document("empty-200", "status 200 and no byte", 200, ""),
		document("json-cut-length", "fewer bytes than Content-Length says", 200,
			completion("")[:60], "Content-Length", "400"),
		document("json-null", "status 200 and null", 200, "null"),
		zipped(document("gzip-json", "a compressed document", 200, completion(""))),
		zipped(
			document("gzip-error", "a compressed error", 400,
				failed("invalid_request_error", "bad_request", "no such option")),
		),
		zipped(stream("gzip-stream", "a compressed event stream", whole...)),
		with(stream("gzip-false", "a stream that says gzip and is not", whole...),
			func(a *Answer) { a.Headers["Content-Encoding"] = "gzip" }),
	}
}
