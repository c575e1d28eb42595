package llm

// Endpoint is one kind of call that clients make: where it is at the vendor, and how its requests and answers are read.
type Endpoint struct {
	Name    string // in logs, metrics and settings
	Path    string // below the base URL of the vendor's API
	Dialect *Dialect
}

// Dialect says where the parts of a request and of an answer are that this service reads. Everything else passes
// through unread. docs/vendors.md has the same as a table, by vendor.
type Dialect struct {
	// TokenLimits are the members of a request that limit the tokens of its answer.
	TokenLimits []string
	// Usage are the objects in which the member "usage" counts tokens; "" is the answer, or the event, itself.
	Usage []string
	// LastEvents end a stream: the type of an event, or its whole data where it has no type. Empty: there are no streams.
	LastEvents []string
	// Choices says that an answer has several choices, each of which ends by its own finish_reason. A stream whose
	// choices have all ended is whole without its last event.
	Choices bool
	// Errors is the shape of an error document.
	Errors ErrorShape
}

// ErrorShape is how an error document looks.
type ErrorShape string

// The shapes of error documents.
const (
	OpenAIErrors    ErrorShape = "openai"    // {"error": {"message": …, "type": …, "code": …}}
	AnthropicErrors ErrorShape = "anthropic" // {"type": "error", "error": {"type": …, "message": …}}
)

// The dialects. Vendors that are not in a name speak the dialect of OpenAI's chat completions.
var (
	chatDialect = &Dialect{
		TokenLimits: []string{"max_tokens", "max_completion_tokens"},
		Usage:       []string{""}, LastEvents: []string{"[DONE]"}, Choices: true, Errors: OpenAIErrors,
	}
	responsesDialect = &Dialect{
		TokenLimits: []string{"max_output_tokens"},
		Usage:       []string{"", "response"}, Errors: OpenAIErrors,
		LastEvents: []string{"response.completed", "response.incomplete", "response.failed"},
	}
	messagesDialect = &Dialect{
		TokenLimits: []string{"max_tokens"},
		Usage:       []string{"", "message"}, LastEvents: []string{"message_stop"}, Errors: AnthropicErrors,
	}
	bufferedDialect = &Dialect{Usage: []string{""}, Errors: OpenAIErrors}
)

// Endpoints are all endpoints that are known, the default one first. The slice is shared: read it only.
var Endpoints = []Endpoint{
	{Name: "chat", Path: "/chat/completions", Dialect: chatDialect},
	{Name: "completions", Path: "/completions", Dialect: chatDialect},
	{Name: "responses", Path: "/responses", Dialect: responsesDialect},
	{Name: "embeddings", Path: "/embeddings", Dialect: bufferedDialect},
	{Name: "moderations", Path: "/moderations", Dialect: bufferedDialect},
	{Name: "messages", Path: "/messages", Dialect: messagesDialect},
}
