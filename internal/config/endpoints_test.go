package config_test

import (
	"strings"
	"testing"

	"github.com/spillway-dev/spillway/internal/config"
)

// TestEndpointsThatMakeNoSenseAreRefused, each with a sentence.
func TestEndpointsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"LLM_ENDPOINTS=chat,speech": `LLM_ENDPOINTS names "speech", which is not known: use chat, completions`,
		"LLM_ENDPOINTS=embeddings": "LLM_ENDPOINTS opens embeddings, which no lane's " +
			"vendor has",
		"LLM_VENDOR_ENDPOINTS=chat,speech": `LLM_VENDOR_ENDPOINTS names the endpoint "speech"`,
		"LLM_VENDOR_PASS_HEADERS=cookie": "LLM_VENDOR_PASS_HEADERS names cookie, which is " +
			"never passed on",
		"LLM_LANE_CLAUDE_VENDOR_ENDPOINTS=nothing": `LLM_LANE_CLAUDE_VENDOR_ENDPOINTS names the endpoint "nothing"`,
		"LLM_LANE_CLAUDE_VENDOR_URL=https://api.anthropic.com": "LLM_LANE_CLAUDE_VENDOR_URL has no path: the base of " +
			"this vendor's API is https://api.anthropic.com/v1",
	} {
		_, err := config.Load(twoLanes("LLM_VENDOR_URL=https://v.example/v1/chat/completions", setting))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", setting, err)
		}
	}
	for _, setting := range []string{"LLM_ENDPOINTS=chat,models", "LLM_LANE_MINI_VENDOR_URL=https://v.example/v1"} {
		if _, err := config.Load(twoLanes("LLM_VENDOR_URL=https://v.example/v1/chat/completions",
			setting)); err != nil {
			t.Errorf("%s: %v", setting, err)
		}
	}
}
