package config_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/config"
)

// twoLanes are settings with which a second lane starts.
func twoLanes(more ...string) []string {
	return enough(append([]string{
		"LLM_VENDOR_HEADERS=X-Team:red", "LLM_VENDOR_NAME=first", "LLM_BREAKER_OPEN=30s", "LLM_FALLBACK=claude",
		"LLM_QUOTA_REQUESTS=600", "LLM_QUOTA_BURST=60", "LLM_LANES=mini, claude",
		"LLM_LANE_MINI_MODELS=gpt-4o-mini*,o4-mini", "LLM_LANE_MINI_QUOTA_REQUESTS=100",
		"LLM_LANE_MINI_QUOTA_TOKENS=5000",
		"LLM_LANE_CLAUDE_VENDOR_URL=https://other.example/v1/chat/completions",
		"LLM_LANE_CLAUDE_VENDOR_API_KEY=sk-hunter2-2",
		"LLM_LANE_CLAUDE_MODEL=gpt-4o:claude-sonnet-4-5,*:claude-haiku-4-5", "LLM_LANE_CLAUDE_QUOTA_REQUESTS=0",
		"LLM_LANE_CLAUDE_BREAKER_OPEN=10s",
	}, more...)...)
}

func TestLanesInheritWhatTheyDoNotSet(t *testing.T) {
	t.Parallel()
	c, err := config.Load(twoLanes())
	if err != nil {
		t.Fatal(err)
	}
	mini, claude := c.LLM.Further[0], c.LLM.Further[1]
	if mini.Name != "mini" || mini.Vendor.APIKey != "sk-hunter2" || mini.Vendor.Headers["X-Team"] != "red" ||
		mini.Vendor.Name != "first" {
		t.Errorf("the lane at the same vendor has not its key, headers and name: %+v", mini)
	}
	if mini.Breaker.Open != 30*time.Second || claude.Breaker.Open != 10*time.Second {
		t.Errorf("breakers: %v, %v", mini.Breaker.Open, claude.Breaker.Open)
	}
	if mini.Quota.Requests != 100 || mini.Quota.Burst != 0 || claude.Quota.Requests != 0 || mini.Fallback != "" {
		t.Errorf("a contract or a fallback was inherited: %+v, %+v", mini.Quota, claude.Quota)
	}
	if claude.Vendor.APIKey != "sk-hunter2-2" || claude.Vendor.Name != "" || len(claude.Vendor.Headers) != 0 ||
		claude.Vendor.MaxResponse != c.LLM.Vendor.MaxResponse {
		t.Errorf("the lane at another vendor has what is not its own: %+v", claude.Vendor)
	}
	if got := claude.Model.String(); got != "gpt-4o:claude-sonnet-4-5,*:claude-haiku-4-5" {
		t.Errorf("the mapping is %s", got)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("starting", slog.Any("config", c))
	if s := out.String(); strings.Contains(s, "hunter2") || strings.Contains(s, "lane_mini_breaker_open") ||
		!strings.Contains(s, `"lane_claude_breaker_open":"10s"`) ||
		!strings.Contains(s, `"lane_claude_vendor_api_key":"(set)"`) {
		t.Errorf("want what differs from what is inherited, without secrets: %s", s)
	}
	c, err = config.Load(twoLanes("LLM_LANE_CLAUDE_VENDOR_API_KEY="))
	if err != nil || c.LLM.Further[1].Vendor.APIKey != "" ||
		!slices.ContainsFunc(c.Warnings(), func(w string) bool { return strings.Contains(w, "lane claude") }) {
		t.Errorf("the key of one vendor is given to another, or nothing is said: %v, %v", err, c.Warnings())
	}
}

// TestALanesOwnKeyIsInPlaceOfTheInheritedOne, be either of them in a file.
func TestALanesOwnKeyIsInPlaceOfTheInheritedOne(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settings  []string
		key, file string
	}{
		{[]string{"LLM_VENDOR_API_KEY=", "LLM_VENDOR_API_KEY_FILE=/first"}, "", "/first"},
		{[]string{"LLM_VENDOR_API_KEY=", "LLM_VENDOR_API_KEY_FILE=/first", "LLM_LANE_MINI_VENDOR_API_KEY=own"}, "own",
			""},
		{[]string{"LLM_LANE_MINI_VENDOR_API_KEY_FILE=/own"}, "", "/own"},
	} {
		c, err := config.Load(twoLanes(tt.settings...))
		if err != nil {
			t.Fatal(err)
		}
		if v := c.LLM.Further[0].Vendor; v.APIKey != tt.key || v.APIKeyFile != tt.file {
			t.Errorf("%v: key %q, file %q", tt.settings, v.APIKey, v.APIKeyFile)
		}
		if v := c.LLM.Further[1].Vendor; v.APIKeyFile != "" {
			t.Errorf("%v: another vendor's lane has the file %q", tt.settings, v.APIKeyFile)
		}
	}
}

func TestLanesThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for wrong, says := range map[string]string{
		"LLM_LANE_MINI_MODELS=*mini":                  `LLM_LANE_MINI_MODELS has "*mini": use names of models`,
		"LLM_LANE_CLAUDE_MODELS=gpt-4o*":              `LLM_LANE_MINI_MODELS has "gpt-4o-mini*" and LLM_LANE_CLAUDE_MODELS has "gpt-4o*": a model belongs to one lane`,
		"LLM_LANE_CLAUDE_FALLBACK=default":            `LLM_FALLBACK leads back to its own lane (default, claude, default)`,
		"LLM_LANE_CLAUDE_FALLBACK=claude":             `LLM_LANE_CLAUDE_FALLBACK leads back to its own lane (claude, claude)`,
		"LLM_FALLBACK=cloud":                          `LLM_FALLBACK is "cloud", which is no lane`,
		"LLM_LANE_CLAUDE_QUOTA_REQUESTS=":             `LLM_LANE_CLAUDE_QUOTA_REQUESTS and LLM_LANE_CLAUDE_QUOTA_TOKENS are missing, and another lane has a contract: set what the contract of the lane claude is, or 0`,
		"LLM_QUOTA_REQUESTS=":                         `LLM_QUOTA_REQUESTS and LLM_QUOTA_TOKENS are missing, and another lane has a contract: set what the contract of the lane default is, or 0`,
		"LLM_LANE_MINI_QUOTA_BURST=101":               `LLM_LANE_MINI_QUOTA_BURST is 101: use 0 for 2 %, or at most LLM_LANE_MINI_QUOTA_REQUESTS (100)`,
		"LLM_LANE_MINI_VENDOR_POOL=10":                `LLM_LANE_MINI_VENDOR_POOL (10) is below LLM_SLOTS (50)`,
		"LLM_VENDOR_API_KEY_FILE=/key":                `LLM_VENDOR_API_KEY and LLM_VENDOR_API_KEY_FILE are both set`,
		"LLM_LANE_CLAUDE_VENDOR_API_KEY_FILE=/key":    `LLM_LANE_CLAUDE_VENDOR_API_KEY and LLM_LANE_CLAUDE_VENDOR_API_KEY_FILE are both set`,
		"LLM_VENDOR_URL=https://a:b@vendor.example":   `LLM_VENDOR_URL holds a user or a password`,
		"LLM_LANE_MINI_SLOTS_MAX=51":                  `LLM_LANE_MINI_SLOTS_MAX is 51: use at most LLM_SLOTS (50), or 0`,
		"LLM_LANE_MINI_BREAKER_OPNE=10s":              `LLM_LANE_MINI_BREAKER_OPNE is not a setting: did you mean LLM_LANE_MINI_BREAKER_OPEN?`,
		"LLM_LANE_MAXI_VENDOR_URL=https://a.example":  `LLM_LANE_MAXI_VENDOR_URL is for a lane that LLM_LANES does not name: add maxi there`,
		"LLM_LANE_MINI_SLOTS_IN_THE_SKY=5":            `LLM_LANE_MINI_SLOTS_IN_THE_SKY is not a setting`,
		"LLM_LANE_MINI_BREAKER_OPEN=10":               `LLM_LANE_MINI_BREAKER_OPEN is "10": not a duration`,
		"LLM_LANE_MINI_MODEL=a:,b":                    `LLM_LANE_MINI_MODEL is "a:,b"`,
		"LLM_LANE_MINI_FIRST_EVENT_TIMEOUT=31s":       `LLM_LANE_MINI_FIRST_EVENT_TIMEOUT is 31s: use at most LLM_CALL_TIMEOUT (30s)`,
		"LLM_LANES=mini,claude,default":               `LLM_LANES names "default", which is always there`,
		"LLM_LANES=mini,claude,claude":                `LLM_LANES names "claude" twice`,
		"LLM_LANES=mini,claude,two-b":                 `LLM_LANES names "two-b"`,
		"LLM_LANES=a,b,c,d,e,f,g,h,mini,claude":       `LLM_LANES names 10 lanes: use at most 8`,
		"LLM_LANES=mini,claude,lost":                  `lane lost has no models and is not the fallback of another lane, so no call would reach it: set LLM_LANE_LOST_MODELS`,
		"LLM_LANE_CLAUDE_VENDOR_URL=https://%zz":      `LLM_LANE_CLAUDE_VENDOR_URL must be`,
		"LLM_LANE_CLAUDE_VENDOR_HEADERS=X-B:a\nb":     `LLM_LANE_CLAUDE_VENDOR_HEADERS gives X-B a value with a control character`,
		"LLM_LANE_CLAUDE_VENDOR_CONNECT_TIMEOUT=-1ms": `LLM_LANE_CLAUDE_VENDOR_CONNECT_TIMEOUT is -1ms`,
	} {
		t.Run(wrong, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(twoLanes(wrong))
			problems, _ := errors.AsType[config.Problems](err)
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, says) }) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestALaneWithoutAContractSaysSo: 0 beside lanes that have one is taken for what was meant, of every lane.
func TestALaneWithoutAContractSaysSo(t *testing.T) {
	t.Parallel()
	for _, set := range []string{"LLM_QUOTA_REQUESTS=0", "LLM_QUOTA_TOKENS=0", "LLM_LANE_MINI_QUOTA_TOKENS=0"} {
		without := strings.Replace(strings.TrimSuffix(set, "0"), "TOKENS", "REQUESTS", 1)
		if _, err := config.Load(twoLanes(without, set)); err != nil {
			t.Errorf("%s: %v", set, err)
		}
	}
	if _, err := config.Load(enough("LLM_LANES=mini", "LLM_LANE_MINI_MODELS=m*")); err != nil {
		t.Errorf("no lane has a contract: %v", err)
	}
}
