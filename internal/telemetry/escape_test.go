package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/telemetry"
)

func TestBidirectionalControlsAreEscapedInLogs(t *testing.T) {
	t.Parallel()
	const controls = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
	for text, want := range map[string]bool{controls: true, "user\u202egnp.exe": true,
		"naïve – “quoted” … ✓ ش": false, "plain": false} {
		var out bytes.Buffer
		telemetry.NewLogger(&out, slog.LevelInfo).Info(text, slog.String("k", text))
		if strings.ContainsAny(out.String(), controls) {
			t.Errorf("the line holds control characters: %q", out.String())
		}
		if got := strings.Contains(out.String(), `\u20`) || strings.Contains(out.String(), `\u06`); got != want {
			t.Errorf("%q: escaped is %t", text, got)
		}
		var line struct{ Msg, K string }
		if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Msg != text || line.K != text {
			t.Errorf("%q reads back as %q, %v", text, line, err)
		}
	}
}
