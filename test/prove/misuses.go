package prove

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// misuse is one way in which a user can harm the service.
type misuse struct {
	name    string
	tier    string // of the user
	clients int    // that do this at the same time
	method  string
	path    string
	body    string
	header  http.Header
	stay    time.Duration // time until the client hangs up; 0: it waits for the answer
	polls   bool          // the client polls a job that it has submitted before
}

const (
	slowModel    = "slow"    // the vendor never answers calls for it
	refusedModel = "refused" // the vendor answers calls for it with 400
)

// chat is the body of a call, with more members behind the usual ones.
func chat(model, more string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hello"}],"max_tokens":16%s}`, model, more)
}

// misuses are in the order of the report.
func misuses() []misuse {
	const longStream = `{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":4000,"stream":true}`
	async, wait := http.Header{"Prefer": {"respond-async"}}, http.Header{"Prefer": {"wait=54"}}
	list := []misuse{
		{name: "calls that time out", body: chat(slowModel, "")},
		{name: "requests that the vendor refuses", body: chat(refusedModel, "")},
		{name: "hang-ups", body: chat(slowModel, ""), stay: 20 * time.Millisecond},
		{name: "bodies of 1 MB", body: chat("m", `,"user":"`+strings.Repeat("x", 1<<20)+`"`)},
		{name: "headers of 64 KB", body: chat("m", ""), header: http.Header{"X-Large": {strings.Repeat("x", 64<<10)}}},
		{name: "128 answers to one request", body: chat("m", `,"n":128`)},
		{name: "jobs until the limit", body: chat(slowModel, ""), header: async},
		{name: "long polls", clients: 200, method: http.MethodGet, header: wait, polls: true},
		{name: "long streams", tier: "pro", clients: 90, body: longStream},
		{name: "streams that hang", tier: "enterprise", clients: 90, body: chat(slowModel, `,"stream":true`)},
	}
	for i := range list {
		m := &list[i]
		if m.tier == "" {
			m.tier = "free"
		}
		if m.clients == 0 {
			m.clients = 16
		}
		if m.method == "" {
			m.method, m.path = http.MethodPost, "/llm"
		}
	}
	return list
}
