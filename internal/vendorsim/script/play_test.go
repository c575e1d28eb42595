package script_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// got is an answer as a client sees it. err is the error of the exchange or of reading the body.
type got struct {
	*http.Response
	body string
	err  error
}

// play serves one answer over a real socket and returns what a client sees until the context ends.
func play(ctx context.Context, t *testing.T, a script.Answer) (g got) {
	t.Helper()
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.Play(w, r) }))
	transport := &http.Transport{DisableCompression: true}
	defer server.Close()
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return got{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return got{res, string(body), err}
}

// written is the text of the pieces up to the first one that waits or breaks, and whether there is such a piece.
func written(a script.Answer) (text string, stops bool) {
	for _, p := range a.Body {
		if p.Hold > 0 || p.Reset || p.Cut || p.Every > 0 {
			return text, true
		}
		text += p.Text + strings.Repeat(p.Repeat, p.Times)
	}
	return text, false
}

// Every answer of the catalogue arrives as defined: status, headers, bytes, and the end of the body.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, n := range script.Catalogue() {
		if names[n.Name] || n.Why == "" {
			t.Errorf("%s stands twice, or says no why", n.Name)
		}
		names[n.Name] = true
		t.Run(n.Name, func(t *testing.T) {
			t.Parallel()
			text, stops := written(n.Answer)
			if stops {
				playPart(t, n.Answer, text)
				return
			}
			g := play(t.Context(), t, n.Answer)
			if short := strings.Contains(n.Name, "cut-length"); (g.err != nil) != short {
				t.Fatalf("error %v", g.err)
			}
			compare(t, n.Answer, g, text)
		})
	}
	if len(names) < 100 {
		t.Errorf("only %d answers", len(names))
	}
}

// playPart reads the beginning of an answer that does not end by itself, or breaks.
func playPart(t *testing.T, a script.Answer, text string) {
	t.Helper()
	a.Body = a.Body[:0:0]
	if text != "" {
		a.Body = []script.Piece{{Text: text}}
	}
	compare(t, a, play(t.Context(), t, a), text)
}

func compare(t *testing.T, a script.Answer, g got, text string) {
	t.Helper()
	body := g.body
	if a.Encoding == "gzip" {
		unzip, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(unzip)
		if body = string(b); err != nil || g.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%v, headers %v", err, g.Header)
		}
	}
	if body != text || g.StatusCode != max(a.Status, 200) {
		t.Errorf("status %d, body %q instead of %q", g.StatusCode, body, text)
	}
	_, typed := g.Header["Content-Type"]
	if want := a.Headers["Content-Type"]; g.Header.Get("Content-Type") != want || typed != (want != "") {
		t.Errorf("headers %v", g.Header)
	}
	chunked := len(g.TransferEncoding) == 1 && g.TransferEncoding[0] == "chunked"
	if is := a.Framing == "" || a.Framing == script.Chunked; chunked != is ||
		(g.ContentLength >= 0) != (a.Framing == script.Length) {
		t.Errorf("framing %q: length %d, %v", a.Framing, g.ContentLength, g.TransferEncoding)
	}
	if (a.Framing == script.Close) != g.Close {
		t.Errorf("framing %q: close %v", a.Framing, g.Close)
	}
}

// Pieces that are not text have their effect.
func TestPieces(t *testing.T) {
	t.Parallel()
	begin := script.Piece{Text: "a"}
	untyped := script.Answer{Framing: script.Length, Body: []script.Piece{begin}}
	compare(t, untyped, play(t.Context(), t, untyped), "a")
	reset := play(t.Context(), t, script.Answer{Body: []script.Piece{{Hold: 0.001}, {Reset: true}}})
	if !errors.Is(reset.err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", reset.err)
	}
	cut := play(t.Context(), t, script.Answer{Body: []script.Piece{begin, {Cut: true}}})
	if cut.body != "a" || !errors.Is(cut.err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %q, %v", cut.body, cut.err)
	}
	repeat := play(
		t.Context(),
		t,
		script.Answer{Body: []script.Piece{begin, {Repeat: "b", Times: 3, Every: 0.001}, begin}},
	)
	if repeat.body != "abbba" || repeat.err != nil {
		t.Errorf("repeat: %q, %v", repeat.body, repeat.err)
	}
	ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	hold := play(
		ctx,
		t,
		script.Answer{Body: []script.Piece{begin, {Hold: 3600}}},
	) // the handler ends when the client leaves
	if !errors.Is(hold.err, context.DeadlineExceeded) {
		t.Errorf("hold: %q, %v", hold.body, hold.err)
	}
}

// Times in headers have the requested format.
func TestTimesInHeaders(t *testing.T) {
	t.Parallel()
	g := play(t.Context(), t, script.Answer{Headers: map[string]string{
		"Date": "@now+3600", "A": "@now+60 as HTTP date", "B": "@now as epoch", "C": "reset=@now-5 as epoch ms;",
		"D": "@now+4 as RFC 3339",
	}})
	now := time.Now()
	date, err := http.ParseTime(g.Header.Get("Date"))
	if ahead := date.Sub(now); err != nil || ahead < 59*time.Minute || ahead > 61*time.Minute {
		t.Errorf("date %v, %v", date, err)
	}
	if a, err := http.ParseTime(g.Header.Get("A")); err != nil || !a.Before(date) {
		t.Errorf("A: %v, %v", a, err)
	}
	if b, c := g.Header.Get("B"), g.Header.Get("C"); len(b) != 10 || len(c) != len("reset=;")+13 {
		t.Errorf("B %q, C %q", b, c)
	}
	if _, err := time.Parse(time.RFC3339, g.Header.Get("D")); err != nil {
		t.Error(err)
	}
}

// An answer is the same after encoding and decoding. An answer that cannot be played is refused.
func TestJSON(t *testing.T) {
	t.Parallel()
	for _, n := range script.Catalogue() {
		b, err := json.Marshal(n.Answer)
		if err != nil {
			t.Fatal(err)
		}
		var again script.Answer
		if err := json.Unmarshal(b, &again); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if c, _ := json.Marshal(again); string(b) != string(c) {
			t.Errorf("%s became %s", b, c)
		}
	}
	for _, wrong := range []string{
		`{"status":99}`, `{"framing":"none"}`, `{"encoding":"br"}`, `{"headers":{"A":"b\nc"}}`, `{"headers":{"":"b"}}`,
		`{"body":[{"hold_seconds":-1}]}`, `{"body":[{"hold_seconds":1e9}]}`, `{"body":[{"sleep":1}]}`,
		`{"body":[{"repeat":"xxxxxxxxxxxx","times":1000000000}]}`, `{"body":[{"repeat":"x","times":-1}]}`,
		`{"body":[1]}`,
	} {
		var a script.Answer
		if err := json.Unmarshal([]byte(wrong), &a); err == nil && a.Validate() == nil {
			t.Errorf("%s was accepted", wrong)
		}
	}
}

// The vendor bills the largest usage that the answer reports, or the text when there is no usage.
func TestBill(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]script.Bill{
		"usage-hidden-reasoning":         {Prompt: 10, Completion: 1520},
		"usage-cache-write":              {Prompt: 4010, Completion: 20},
		"usage-missing-big-chunks":       {Completion: 600},
		"usage-null-then-said":           {Prompt: 9, Completion: 2},
		"usage-growing":                  {Prompt: 9, Completion: 7},
		"usage-anthropic-cache":          {Prompt: 4010, Completion: 20},
		"usage-absurd":                   {Prompt: 10, Completion: 1},
		"usage-negative":                 {Completion: 1},
		"responses-completed-then-pings": {Prompt: 9, Completion: 2},
		"429-bare":                       {},
	} {
		n, ok := script.Find(name)
		if got := n.Answer.Bill(); got != want || !ok {
			t.Errorf("%s: %+v instead of %+v", name, got, want)
		}
	}
}
