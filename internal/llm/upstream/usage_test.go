package upstream_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/llm/llmtest"
)

// TestUsageOfBufferedAnswers over a real socket, by the catalogue.
func TestUsageOfBufferedAnswers(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]llm.Usage{
		"usage-hidden-reasoning":  {Prompt: 10, Completion: 1520}, // the total is above the sum
		"usage-reasoning-details": {Prompt: 10, Completion: 1520}, // the details are a part
		// And the 9000 that were read from the cache do not count.
		"usage-cache-write":    {Prompt: 4010, Completion: 20},
		"usage-cached-details": {Prompt: 4000, Completion: 20}, // OpenAI counts them
		"usage-missing":        {},                             // the booking stays
		"usage-null":           {},
		"usage-zero":           {},
		"usage-absurd":         {}, // no completion is reported, so nothing is
		"usage-negative":       {},
		"json-bom":             {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, _ := playing(t, name)
			resp, out := v.Send(t.Context(), llmtest.NewCall())
			llmtest.OK(t, out.Err)
			resp.Close()
			if out.Usage != want {
				t.Errorf("usage %+v, want %+v", out.Usage, want)
			}
		})
	}
}

// TestUsageThatIsNotReported: the usage is the estimate for the answer's text, in every dialect, when that is more than
// was booked. Other members and base64 are not text.
func TestUsageThatIsNotReported(t *testing.T) {
	t.Parallel()
	long, short := strings.Repeat("word", 1000), "word"
	for name, tt := range map[string]struct {
		body       string
		completion int
	}{
		"chat": {`{"choices":[{"message":{"content":"` + long + `"}}]}`, 1000},
		"two of them": {
			`{"choices":[{"message":{"content":"` + long + `"}},{"message":{"content":"` + long + `"}}]}`, 2000},
		"a tool call": {`{"choices":[{"message":{"tool_calls":[{"function":{"arguments":"` + long + `"}}]}}]}`, 1000},
		"completions": {`{"choices":[{"text":"` + long + `"}]}`, 1000},
		"messages":    {`{"content":[{"type":"text","text":"` + long + `"}]}`, 1000},
		"responses":   {`{"output":[{"content":[{"type":"output_text","text":"` + long + `"}]}]}`, 1000},
		"short":       {`{"choices":[{"message":{"content":"` + short + `"}}]}`, 0},
		"an image":    {`{"data":[{"b64_json":"` + long + `"}]}`, 0},
	} {
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, tt.body)
		})
		call := llmtest.NewCall()
		call.Payload.PromptTokens, call.Payload.MaxTokens = 7, 100
		resp, out := vendorAt(t, url, nil).Send(t.Context(), call)
		llmtest.OK(t, out.Err)
		resp.Close()
		want := llm.Usage{}
		if tt.completion > 0 {
			want = llm.Usage{Prompt: 7, Completion: tt.completion}
		}
		if out.Usage != want {
			t.Errorf("%s: usage %+v, want %+v", name, out.Usage, want)
		}
	}
}

// TestWaitsOfTheCatalogue: when to come again, in all the ways in which vendors say it, over a real socket. Times are
// compared with the clock of the answer.
func TestWaitsOfTheCatalogue(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for name, want := range map[string]struct{ least, most time.Duration }{
		"429-bare":            {0, 0},
		"429-seconds":         {2 * second, 2 * second},
		"429-zero":            {0, 0},
		"429-date":            {2 * second, 3 * second},
		"429-date-past":       {0, 0},
		"429-date-skewed":     {second, 3 * second},
		"429-epoch":           {second, 4 * second},
		"429-epoch-ms":        {second, 4 * second},
		"429-negative":        {0, 0},
		"429-fraction":        {1500 * time.Millisecond, 1500 * time.Millisecond},
		"429-unit":            {5 * second, 5 * second},
		"429-list":            {5 * second, 5 * second},
		"429-infinity":        {0, 0},
		"429-ten-days":        {time.Hour, time.Hour},
		"429-retry-after-ms":  {1200 * time.Millisecond, 1200 * time.Millisecond},
		"429-gemini":          {3 * second, 3 * second},
		"429-epoch-reset":     {3 * second, 5 * second},
		"429-openai-reset":    {62500 * time.Millisecond, 62500 * time.Millisecond},
		"429-anthropic-reset": {3 * second, 5 * second},
		"503-seconds":         {2 * second, 2 * second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, _ := playing(t, name)
			_, out := v.Send(t.Context(), llmtest.NewCall())
			failed, _ := errors.AsType[*llm.VendorError](out.Err)
			if failed == nil {
				t.Fatalf("got %v", out.Err)
			}
			got := failed.RetryAfter
			if l := out.Limits; got == 0 && l.HasRequests && l.RemainingRequests == 0 {
				got = l.ResetRequests
			}
			if got < want.least || got > want.most {
				t.Errorf("a wait of %v, want %v to %v", got, want.least, want.most)
			}
		})
	}
}
