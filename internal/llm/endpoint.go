package llm

import "strings"

// Endpoint is one kind of call that clients make: its path, and how its requests and answers are read.
type Endpoint struct {
	Name      string // in logs, metrics and settings
	Path      string // below the base URL of an API, the vendor's and this service's
	Operation string // its name in OpenTelemetry
	Dialect   *Dialect
}

// LaneDecides is nil: the endpoint of a call that names none, as POST /llm does. The VENDOR_URL of the lane names it.
var LaneDecides *Endpoint

// Dialect says which parts of a request and of an answer this service reads, and where they stand. Everything else
// passes through unread. docs/vendors.md has the same as a table, by vendor.
type Dialect struct {
	// TokenLimits are the members of a request that limit the tokens of its answer.
	TokenLimits []string
	// Usage are the objects in which the member "usage" counts tokens; "" is the answer, or the event, itself. It is
	// for docs/vendors.md: upstream/usage.go looks for the names of every dialect in every answer.
	Usage []string
	// LastEvents are the events that end a stream: by their type, or by their whole data where they have no type. Empty
	// means that there are no streams.
	LastEvents []string
	// Choices says that an answer has several choices, as many as "n" asks for, each of which ends by its own
	// finish_reason. A stream whose choices have all ended is whole without its last event.
	Choices bool
	// InputOnly says that an answer costs no tokens beyond those of its request.
	InputOnly bool
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
	inputDialect = &Dialect{Usage: []string{""}, InputOnly: true, Errors: OpenAIErrors}

	// anyDialect reads a request before its lane, which decides the endpoint, is known.
	anyDialect = &Dialect{
		TokenLimits: []string{"max_tokens", "max_completion_tokens", "max_output_tokens"},
		LastEvents:  []string{"[DONE]"}, Choices: true,
	}
)

// Endpoints are all endpoints that are known, the default one first. The slice is shared: read it only.
var Endpoints = []*Endpoint{
	{Name: "chat", Path: "/chat/completions", Operation: "chat", Dialect: chatDialect},
	{Name: "completions", Path: "/completions", Operation: "text_completion", Dialect: chatDialect},
	{Name: "responses", Path: "/responses", Operation: "chat", Dialect: responsesDialect},
	{Name: "embeddings", Path: "/embeddings", Operation: "embeddings", Dialect: inputDialect},
	{Name: "moderations", Path: "/moderations", Operation: "moderation", Dialect: inputDialect},
	{Name: "messages", Path: "/messages", Operation: "chat", Dialect: messagesDialect},
}

// Models is the endpoint that lists models. It leads to no call: the service answers it from the lists of its vendors.
var Models = &Endpoint{Name: "models", Path: "/models"}

// Base is the path below which this service has the endpoints.
const Base = "/v1"

// Route is the endpoint's path in this service.
func (e *Endpoint) Route() string { return Base + e.Path }

// reads returns the dialect by which a request is read.
func (e *Endpoint) reads() *Dialect {
	if e == LaneDecides {
		return anyDialect
	}
	return e.Dialect
}

// EndpointNames lists the names of all endpoints, for texts that people read.
func EndpointNames() string {
	var names []string
	for _, e := range Endpoints {
		names = append(names, e.Name)
	}
	return strings.Join(names, ", ")
}

// EndpointNamed returns the endpoint of that name, nil when there is none.
func EndpointNamed(name string) *Endpoint {
	for _, e := range Endpoints {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// EndpointAt returns the endpoint whose path is the end of the given path, and the part before it. The endpoint is nil
// when there is none. When two fit, the one with the longer path counts.
func EndpointAt(path string) (found *Endpoint, base string) {
	for _, e := range Endpoints {
		if found != nil && len(e.Path) < len(found.Path) {
			continue
		}
		if before, ok := strings.CutSuffix(path, e.Path); ok {
			found, base = e, before
		}
	}
	return found, base
}
