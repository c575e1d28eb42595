// Package clients runs the official clients of the vendors' APIs against the service, with package vendorsim behind it.
// The tests check the results of the clients: parsed answers, repeated calls and typed errors.
//
//	service_test.go    starts the real binary, and a vendor behind it
//	chat_test.go       openai-go: chats, streams, tools, structured output, and a client that leaves
//	ends_test.go       openai-go: whether a stream is whole
//	endpoints_test.go  openai-go: responses, embeddings and the other endpoints
//	errors_test.go     openai-go: every status, and when the client repeats a call
//	anthropic_test.go  anthropic-sdk-go
//	traces_test.go     the OpenTelemetry Collector's decoder reads our traces
//
// The clients from npm are in the folder npm; make clients runs them.
package clients
