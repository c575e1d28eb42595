package dialect_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/vendorsim/dialect"
)

func TestFind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, path, endpoint, model string
		azure                         bool
	}{
		{"POST", "/v1/chat/completions", "chat", "", false},
		{"POST", "/chat/completions", "chat", "", false},
		{"POST", "/mini/v1/chat/completions", "chat", "", false},
		{"POST", "/v1/completions", "completions", "", false},
		{"POST", "/v1/responses", "responses", "", false},
		{"POST", "/v1/messages", "messages", "", false},
		{"POST", "/v1/messages/count_tokens", "count_tokens", "", false},
		{"POST", "/openai/deployments/gpt-4o/chat/completions", "chat", "gpt-4o", true},
		{"POST", "/openai/v1/embeddings", "embeddings", "", false},
		{"GET", "/v1/models", "models", "", false},
		{"GET", "/v1/models/gpt-4o", "models", "gpt-4o", false},
		{"GET", "/v1/models/meta/llama", "models", "meta/llama", false},
		{"POST", "/v1/models", "", "", false},
		{"GET", "/v1/responses", "", "", false},
		{"POST", "/v1/v1/responses", "", "", false},
		{"POST", "/v1/chat/completions/", "", "", false},
		{"POST", "/", "", "", false},
		{"POST", "//v1/responses", "", "", false},
	} {
		got := dialect.Find(tt.method, tt.path)
		name := ""
		if got.Endpoint != nil {
			name = got.Endpoint.Name
		}
		if name != tt.endpoint || got.Model != tt.model || got.Azure != tt.azure {
			t.Errorf("%s %s: %q, %+v", tt.method, tt.path, name, got)
		}
	}
}

// endpoint returns the endpoint with this name.
func endpoint(name string) *dialect.Endpoint {
	for _, e := range dialect.Endpoints() {
		if e.Name == name {
			return e
		}
	}
	return nil
}

func TestRead(t *testing.T) {
	t.Parallel()
	picture := "data:image/png;base64," + strings.Repeat("iVBORw0KGgo", 1000)
	for _, tt := range []struct {
		body string
		is   func(dialect.Request) bool
	}{
		{`{"n":8,"best_of":3}`, func(r dialect.Request) bool { return r.Choices == 8 && r.BestOf == 8 }},
		{`{"n":-1}`, func(r dialect.Request) bool { return r.Choices == 1 && r.BestOf == 1 }},
		{`{"n":1000000}`, func(r dialect.Request) bool { return r.Choices == 128 }},
		{`{"max_tokens":1,"max_completion_tokens":9}`, func(r dialect.Request) bool { return r.Limit == 9 }},
		{
			`{"stream":true,"stream_options":{"include_usage":true}}`,
			func(r dialect.Request) bool { return r.Stream && r.IncludeUsage },
		},
		{
			`{"tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}}],
			"tool_choice":{"type":"function","function":{"name":"b"}}}`,
			func(r dialect.Request) bool { return r.Call.Name == "b" },
		},
		{
			`{"tools":[{"type":"web_search"},{"type":"function","name":"c","parameters":{"type":"object"}}]}`,
			func(r dialect.Request) bool { return r.Call.Name == "c" && r.Call.Parameters != "" },
		},
		{
			`{"tools":[{"name":"d","input_schema":{}}],"tool_choice":{"type":"none"}}`,
			func(r dialect.Request) bool { return r.Call == nil },
		},
		{
			`{"messages":[{"role":"user","content":"q"},{"role":"tool","content":"42"}]}`,
			func(r dialect.Request) bool { return r.Results && r.Result == "42" && r.Echo == "q" },
		},
		{
			`{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"7"}]}]}]}`,
			func(r dialect.Request) bool { return r.Results && r.Result == "7" },
		},
		{
			`{"input":[{"role":"user","content":[{"type":"input_text","text":"q"}]},
			{"type":"function_call_output","output":"5"}]}`,
			func(r dialect.Request) bool { return r.Results && r.Result == "5" && r.Echo == "q" },
		},
		{`{"input":["a","b"]}`, func(r dialect.Request) bool { return len(r.Inputs) == 2 }},
		{`{"input":[1,2,3]}`, func(r dialect.Request) bool { return len(r.Inputs) == 1 }},
		{
			`{"messages":[{"content":"` + picture + `"}]}`,
			func(r dialect.Request) bool { return r.Prompt > dialect.File && r.Prompt < dialect.File+40 },
		},
		{
			`{"text":{"format":{"type":"json_schema","schema":{"type":"object"}}}}`,
			func(r dialect.Request) bool { return r.Schema != "" },
		},
	} {
		r, ok := endpoint("chat").Read(tt.body)
		if !ok || !tt.is(r) {
			t.Errorf("%.200s: %+v", tt.body, r)
		}
	}
	if r, _ := endpoint("messages").Read(`{"n":8}`); r.Choices != 1 {
		t.Errorf("Anthropic has no n: %+v", r)
	}
}

// The sample for a schema has its members and types.
func TestSchemaInstance(t *testing.T) {
	t.Parallel()
	schema := `{"type":"object","required":["name"],"properties":{
		"name":{"type":"string"},"kind":{"enum":["a","b"]},"one":{"const":7},
		"list":{"type":"array","minItems":2,"items":{"type":"integer","minimum":5}},
		"maybe":{"type":["null","string"]},"any":{"anyOf":[{"type":"boolean"},{"type":"string"}]},
		"at":{"type":"string","format":"date-time"},"child":{"$ref":"#/$defs/node"},"none":{"type":"null"},
		"less":{"type":"number","maximum":0.5}},"$defs":{"node":{"type":"object","properties":{
		"v":{"type":"string"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}}}}}`
	r, _ := endpoint("chat").Read(`{"messages":[{"role":"user","content":"hey"}],
		"response_format":{"type":"json_schema","json_schema":{"schema":` + schema + `}}}`)
	reply := r.Reply(32)
	var got struct {
		Name, Kind, Maybe, At string
		One                   int
		List                  []int
		Any                   bool
		Child                 struct{ V string }
		Less                  float64
	}
	if err := json.Unmarshal([]byte(reply.Text), &got); err != nil {
		t.Fatalf("%s: %v", reply.Text, err)
	}
	texts := got.Name == "hey" && got.Kind == "a" && got.Maybe == "hey" && got.Child.V == "hey" && got.At != ""
	if !texts || !got.Any || got.One != 7 || len(got.List) != 2 || got.List[1] != 5 || got.Less > 0.5 {
		t.Errorf("got %s", reply.Text)
	}
	if strings.Join(reply.Pieces, "") != reply.Text || reply.Cut || reply.Tokens != len(reply.Pieces) {
		t.Errorf("%+v", reply)
	}
	r.Limit = 3
	if cut := r.Reply(32); !cut.Cut || cut.Tokens != 3 || !strings.HasPrefix(reply.Text, cut.Text) {
		t.Errorf("%+v", cut)
	}
}

// Any body has an answer, and every answer is JSON.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"tools":[{"type":"function","function":{"name":"f","parameters":{"$ref":"#"}}}],"n":3}`,
		`{"input":["a",{}]}`,
		`{"response_format":{"type":"json_schema","json_schema":{"schema":{"anyOf":[{"$ref":"#/anyOf/0"}]}}},"stream":true}`,
		`{"prompt":[[1],[2]],"best_of":4}`,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"\ud800"}]}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, e := range dialect.Endpoints() {
			r, ok := e.Read(body)
			if !ok || e.Method != http.MethodPost {
				continue
			}
			r.Dimensions = min(r.Dimensions, 8)
			a := &dialect.Answer{Request: r, Reply: r.Reply(4)}
			if b := e.Whole(nil, a); !json.Valid(b) {
				t.Errorf("%s: %s", e.Name, b)
			}
			if !e.Streams() {
				continue
			}
			tokens := 0
			for event := range e.Stream(a, 1) {
				tokens += event.Tokens
				for line := range strings.Lines(string(event.Bytes)) {
					if data, is := strings.CutPrefix(line, "data: "); is && data != "[DONE]\n" &&
						!json.Valid([]byte(data)) {
						t.Errorf("%s: %s", e.Name, line)
					}
				}
			}
			if r.Stream && tokens != a.Tokens*r.Choices {
				t.Errorf("%s: %d tokens sent, %d are due", e.Name, tokens, a.Tokens*r.Choices)
			}
		}
	})
}
