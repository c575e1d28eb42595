package config_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

// enough is the smallest environment the service starts with.
func enough(more ...string) []string {
	return append([]string{
		"LLM_REDIS_URL=redis://user:hunter2@localhost:6379",
		"LLM_VENDOR_URL=https://vendor.example/v1/chat/completions",
		"LLM_VENDOR_API_KEY=sk-hunter2",
		"LLM_API_KEYS_FILE=/etc/spillway/keys",
		"PATH=/bin", "NOTLLM_X=1",
	}, more...)
}

func TestDefaultsAndValues(t *testing.T) {
	t.Parallel()
	c, err := config.Load(enough("LLM_DRAIN_DELAY=7s", "LLM_LOG_LEVEL=debug", "LLM_PPROF=true", "LLM_ADDR="))
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.DrainDelay != 7*time.Second || c.Server.LogLevel != slog.LevelDebug || !c.Server.Pprof {
		t.Errorf("values were not taken: %+v", c.Server)
	}
	if c.Server.Addr != ":8080" || c.Server.ShutdownGrace != 670*time.Second {
		t.Errorf("empty or absent variables have no default: %+v", c.Server)
	}
}

// TestEveryProblemAtOnce is about an operator who should not need one start for each mistake.
func TestEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load([]string{
		"LLM_QUEUE_TIMEOUT=60s", "LLM_SLA=60s", // queue timeout >= SLA
		"LLM_SLOTS=50", "LLM_VENDOR_POOL=10", // pool < slots
		"LLM_SHUTDOWN_GRACE=30s",                      // grace < drain + SLA
		"LLM_CALL_TIMEOUT=2m",                         // call timeout > SLA
		"LLM_RETRY_MAX=three",                         // not a number
		"LLM_STREAM_IDLE=15",                          // no unit
		"LLM_BRAKER_FAILURES=3",                       // typo
		"LLM_REDIS_CLUSTER=maybe",                     // not a bool
		"LLM_TIER_RATES=free",                         // not a map
		"LLM_REDIS_BUDGET=-1s",                        // out of range
		"LLM_ENTIRELY_ELSEWHERE=1",                    // no near name
		"LLM_ENDPOINT_RATES=/llm:5,/lllm:5,/health:5", // two that are not counted
	})
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"LLM_QUEUE_TIMEOUT (1m0s) must be below LLM_SLA (1m0s)",
		"LLM_VENDOR_POOL (10) is below LLM_SLOTS (50)",
		"LLM_SHUTDOWN_GRACE (30s) is below LLM_DRAIN_DELAY + LLM_SLA (1m5s)",
		"LLM_CALL_TIMEOUT (2m0s) is above LLM_SLA (1m0s)",
		"LLM_BREAKER_LEASE (40s) must be above LLM_CALL_TIMEOUT + LLM_QUEUE_TIMEOUT (3m0s)",
		`LLM_RETRY_MAX is "three": not a whole number`,
		`LLM_STREAM_IDLE is "15": not a duration`,
		"LLM_BRAKER_FAILURES is not a setting: did you mean LLM_BREAKER_FAILURES?",
		`LLM_REDIS_CLUSTER is "maybe": not true or false`,
		`LLM_TIER_RATES is "free": not a list`,
		"LLM_REDIS_BUDGET is -1s",
		"LLM_ENTIRELY_ELSEWHERE is not a setting: remove it",
		`LLM_ENDPOINT_RATES names "/lllm", which is no route that is limited: use /llm or /v1/chat/completions or`,
		`LLM_ENDPOINT_RATES names "/health"`,
		"LLM_VENDOR_URL must be",
		"LLM_REDIS_URL",
		"LLM_API_KEYS_FILE",
	} {
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, want) }) {
			t.Errorf("not reported: %s", want)
		}
	}
	if len(problems) != 17 {
		t.Errorf("%d problems, want 17", len(problems))
	}
	t.Log(err)
}

// TestListsWithSpaces: spaces around the items of a list, and around a colon, are no part of a name.
func TestListsWithSpaces(t *testing.T) {
	t.Parallel()
	c, err := config.Load(enough("LLM_TIER_RATES= free : 2,\tpro:9", "LLM_TIER_CONCURRENCY=free: 1, pro : 3",
		"LLM_TIER_TOKENS=free:5, pro:6", "LLM_ENDPOINT_RATES=/llm:5, /v1/chat/completions : 4",
		"LLM_CORS_ORIGINS=https://a.example, http://localhost:3000 ", "LLM_ENDPOINTS=chat, models",
		"LLM_VENDOR_PASS_HEADERS=openai-beta, x-team", "LLM_VENDOR_ENDPOINTS= chat ",
		"LLM_VENDOR_HEADERS=X-Team : red, X-B:1", "LLM_JOBS_WEIGHTS=high:9, normal:3, low: 1",
		"LLM_LANES=mini , claude", "LLM_LANE_MINI_MODELS=gpt-4o-mini*, o4-mini", "LLM_FALLBACK=claude",
		"LLM_LANE_CLAUDE_MODEL=gpt-4o : sonnet, * : haiku"))
	if err != nil {
		t.Fatal(err)
	}
	mini, claude := c.LLM.Further[0], c.LLM.Further[1]
	for got, want := range map[string]string{
		fmt.Sprint(c.Inbound.TierRates):             "map[free:2 pro:9]",
		fmt.Sprint(c.Inbound.TierConcurrency):       "map[free:1 pro:3]",
		fmt.Sprint(c.Inbound.TierTokens):            "map[free:5 pro:6]",
		fmt.Sprint(c.Inbound.EndpointRates):         "map[/llm:5 /v1/chat/completions:4]",
		fmt.Sprintf("%q", c.Inbound.CORSOrigins):    `["https://a.example" "http://localhost:3000"]`,
		fmt.Sprintf("%q", c.API.Endpoints):          `["chat" "models"]`,
		fmt.Sprintf("%q", c.LLM.Vendor.PassHeaders): `["openai-beta" "x-team"]`,
		fmt.Sprintf("%q", c.LLM.Vendor.Endpoints):   `["chat"]`,
		fmt.Sprintf("%q", c.LLM.Vendor.Headers):     `map["X-B":"1" "X-Team":"red"]`,
		fmt.Sprint(c.Jobs.Weights):                  "map[high:9 low:1 normal:3]",
		mini.Name + "," + claude.Name:               "mini,claude",
		fmt.Sprintf("%q", mini.Models):              `["gpt-4o-mini*" "o4-mini"]`,
		claude.Model.String():                       "gpt-4o:sonnet,*:haiku",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestListsThatLoseAnItemAreRefused: one that is empty, a name that stands twice, and what can match nothing.
func TestListsThatLoseAnItemAreRefused(t *testing.T) {
	t.Parallel()
	for wrong, says := range map[string]string{
		"LLM_TIER_RATES=free:2,free:9": `LLM_TIER_RATES is "free:2,free:9": not a list such as name:value,name:value ` +
			`(free stands there twice)`,
		"LLM_ENDPOINTS=chat,,models": "LLM_ENDPOINTS is \"chat,,models\": not a list such as a,b,c " +
			"(an item is empty)",
		"LLM_CORS_ORIGINS=https://a.example,": "an item is empty",
		"LLM_CORS_ORIGINS=https://a.example, https://b.example/": `LLM_CORS_ORIGINS has "https://b.example/", ` +
			`which no browser sends: write https://b.example`,
		"LLM_TIER_CONCURRENCY=entreprise:5": `LLM_TIER_CONCURRENCY names the tier "entreprise", which LLM_TIER_RATES ` +
			`does not have`,
		"LLM_VENDOR_PASS_HEADERS=none,openai-beta": `LLM_VENDOR_PASS_HEADERS has "none" among others`,
		"LLM_MODEL=*:haiku,gpt-4o:sonnet":          "the rule for gpt-4o stands behind the one for *",
	} {
		if _, err := config.Load(enough(wrong)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// TestServiceLinksAreNoSettings is about a cluster with a Service named llm or llm-something: Kubernetes then injects
// variables that begin as ours do.
func TestServiceLinksAreNoSettings(t *testing.T) {
	t.Parallel()
	if _, err := config.Load(enough(
		"LLM_SERVICE_HOST=10.0.0.1", "LLM_SERVICE_PORT=80", "LLM_SERVICE_PORT_HTTP=80", "LLM_PORT=tcp://10.0.0.1:80",
		"LLM_PORT_80_TCP=tcp://10.0.0.1:80", "LLM_PORT_80_TCP_PROTO=tcp", "LLM_PORT_80_TCP_PORT=80",
		"LLM_PORT_80_TCP_ADDR=10.0.0.1",
		"LLM_GATEWAY_SERVICE_HOST=10.0.0.2", "LLM_GATEWAY_PORT=tcp://10.0.0.2:80",
	)); err != nil {
		t.Error(err)
	}
	if _, err := config.Load(enough("LLM_PORT=8080")); err == nil {
		t.Error("LLM_PORT with a number is a mistake for LLM_ADDR, and passed")
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	c, err := config.Load(enough("LLM_SLOTS=7", "LLM_TIER_RATES=pro:3,free:2",
		"LLM_VENDOR_HEADERS=X-Team-Key:hunter2,Referer:https://hunter2.example", "LLM_REDIS_MASTER=m",
		"LLM_REDIS_SENTINEL_PASSWORD=hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	if h := c.LLM.Vendor.Headers; h["X-Team-Key"] != "hunter2" || h["Referer"] != "https://hunter2.example" {
		t.Errorf("headers: %v", h)
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("starting", slog.Any("config", c))
	if s := out.String(); strings.Contains(s, "hunter2") {
		t.Errorf("a secret was logged: %s", s)
	} else if !strings.Contains(s, `"slots":"7"`) || !strings.Contains(s, `"tier_rates":"free:2,pro:3"`) ||
		!strings.Contains(s, `"vendor_api_key":"(set)"`) ||
		!strings.Contains(s, `"redis_sentinel_password":"(set)"`) || strings.Contains(s, `"sla"`) {
		t.Errorf("want what differs from the defaults: %s", s)
	}
	_, err = config.Load(enough("LLM_REDIS_SENTINEL_PASSWORD=hunter2\n"))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret that cannot be used was repeated: %v", err)
	}
	_, err = config.Load(enough("LLM_VENDOR_HEADERS=hunter2"))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret that cannot be read was repeated: %v", err)
	}
}

// TestConfigurationPage fails when docs/configuration.md is not what the structs say. `make generate` writes it.
func TestConfigurationPage(t *testing.T) {
	t.Parallel()
	const page = "../../docs/configuration.md"
	var want bytes.Buffer
	if err := config.WritePage(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(page, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is stale (%v): run make generate", page, err)
	}
}

func TestHelpListsEverySettingWithItsMeaning(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := config.WriteHelp(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")[1:]
	if len(lines) < 40 {
		t.Errorf("only %d settings", len(lines))
	}
	for _, line := range lines {
		if f := strings.Fields(line); len(f) < 4 || !strings.HasPrefix(f[0], "LLM_") {
			t.Errorf("no name, default and meaning: %q", line)
		}
	}
}

// TestHeadersThatCannotBeSentAreRefused at start, and not by net/http at every call.
func TestHeadersThatCannotBeSentAreRefused(t *testing.T) {
	t.Parallel()
	for wrong, says := range map[string]string{
		"LLM_VENDOR_HEADERS=a b:hunter2":            `LLM_VENDOR_HEADERS names a header "a b"`,
		"LLM_VENDOR_HEADERS=X-A:hunter2,X-Ü:1":      `LLM_VENDOR_HEADERS names a header "X-Ü"`,
		"LLM_VENDOR_HEADERS=X-A:hunter2\nX-B:2,y:1": "LLM_VENDOR_HEADERS gives X-A a value with a control character",
		"LLM_VENDOR_HEADERS=X-A:hunter2,x-a:1":      "LLM_VENDOR_HEADERS names both X-A and x-a, which are one header",
		"LLM_VENDOR_AUTH_HEADER=Authorization:":     `LLM_VENDOR_AUTH_HEADER is "Authorization:"`,
	} {
		if _, err := config.Load(enough(wrong)); err == nil || !strings.Contains(err.Error(), says) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, err := config.Load(enough("LLM_VENDOR_AUTH_HEADER=x-api-key",
		"LLM_VENDOR_HEADERS=anthropic-version:2023-06-01,X_Odd.~:a b")); err != nil {
		t.Error(err)
	}
}

// TestWarnings are for what is allowed and seldom meant.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for setting, says := range map[string]string{
		"LLM_VENDOR_API_KEY=":  "no vendor API key is set",
		"LLM_QUOTA_REQUESTS=0": "no vendor contract is set",
		"LLM_QUOTA_WINDOW=2s": "LLM_QUEUE_TIMEOUT (5s) is long beside LLM_QUOTA_WINDOW (2s): at most 28 % of the " +
			"contract can be used",
		"LLM_MAX_BODY=300000000": "LLM_MAX_BODY (300000000) is above three quarters of the memory budget",
		"LLM_JOBS_MAX_BODY=20971520": "LLM_JOBS_WORKERS x LLM_JOBS_MAX_BODY are 209715200 bytes beside the memory " +
			"budget of 268435456",
		"LLM_TIER_CONCURRENCY=pro:50": "LLM_TIER_CONCURRENCY gives a user of the tier pro 50 requests",
		"LLM_TIER_CONCURRENCY=pro:0":  "LLM_TIER_CONCURRENCY gives a user of the tier pro 0 requests",
		"LLM_ADMISSION_MAX=40":        "LLM_ADMISSION_MAX (40) is below LLM_SLOTS (50)",
		"LLM_ADMISSION_MAX=120":       "LLM_QUEUE_MAX (100) is above LLM_ADMISSION_MAX - LLM_SLOTS (70)",
	} {
		c, err := config.Load(enough("LLM_QUOTA_REQUESTS=600", setting))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Warnings(); len(got) != 1 || !strings.HasPrefix(got[0], says) {
			t.Errorf("%s: %q", setting, got)
		}
	}
	for _, few := range []string{"LLM_SLOTS=50", "LLM_SLOTS=20", "LLM_SLOTS=2"} { // of which no user can hold all
		if c, err := config.Load(enough("LLM_QUOTA_REQUESTS=600", few)); err != nil || len(c.Warnings()) != 0 {
			t.Errorf("the defaults are warned of with %s: %q, %v", few, c.Warnings(), err)
		}
	}
}

// TestAUsersShareFollowsTheSlots: by default no tier's user can hold every slot of a pod, however the tiers are called.
func TestAUsersShareFollowsTheSlots(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		"":                                    "map[enterprise:40 free:4 pro:20]",
		"LLM_SLOTS=150 LLM_ADMISSION_MAX=400": "map[enterprise:120 free:12 pro:60]",
		"LLM_SLOTS=20":                        "map[enterprise:16 free:1 pro:8]",
		"LLM_SLOTS=2":                         "map[enterprise:1 free:1 pro:1]",
		"LLM_SLOTS=500":                       "map[enterprise:160 free:16 pro:80]", // of 200 requests inside
		"LLM_TIER_CONCURRENCY=enterprise:0,pro:7": "map[enterprise:0 free:4 pro:7]",
		"LLM_TIER_RATES=a:1,b:2,c:3,d:4":          "map[a:4 b:20 c:20 d:40]",
		"LLM_TIER_RATES=all:10":                   "map[all:20]",
	} {
		c, err := config.Load(enough(strings.Fields(settings)...))
		if got := fmt.Sprint(c.Inbound.TierConcurrency); err != nil || got != want {
			t.Errorf("%s: %s, want %s; %v", settings, got, want, err)
		}
	}
}

// TestRulesOut: each limit of an answer is told with the setting that raises it.
func TestRulesOut(t *testing.T) {
	t.Parallel()
	for setting, says := range map[string]string{
		"LLM_CALL_TIMEOUT=30s":           "buffered answers over 30s fail (LLM_CALL_TIMEOUT)",
		"LLM_QUEUE_TIMEOUT=4s":           "streams whose first event takes over 30s fail (LLM_CALL_TIMEOUT)",
		"LLM_FIRST_EVENT_TIMEOUT=10s":    "streams whose first event takes over 10s fail (LLM_FIRST_EVENT_TIMEOUT)",
		"LLM_STREAM_IDLE=90s":            "streams that pause for over 1m30s are cut (LLM_STREAM_IDLE)",
		"LLM_STREAM_MAX=2h":              "streams over 2h are cut (LLM_STREAM_MAX)",
		"LLM_VENDOR_MAX_RESPONSE=524288": "buffered answers over 512 KiB fail (LLM_VENDOR_MAX_RESPONSE)",
		"LLM_MAX_BODY=33554432":          "bodies over 32 MiB are refused (LLM_MAX_BODY)",
	} {
		c, err := config.Load(enough(setting))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RulesOut(); !slices.Contains(got, says) {
			t.Errorf("%s: %q", setting, got)
		}
	}
	c, err := config.Load(enough("LLM_STREAM_MAX=0"))
	if err != nil || strings.Contains(strings.Join(c.RulesOut(), ""), "LLM_STREAM_MAX") {
		t.Errorf("streams have an end: %q, %v", c.RulesOut(), err)
	}
}

func TestSecretsInAnAddressAreNotLogged(t *testing.T) {
	t.Parallel()
	c, err := config.Load(enough("LLM_VENDOR_URL=https://vendor.example/v1?api-key=hunter2&api-version=hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	if text := c.LogValue().String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "api-key=xxxxx") {
		t.Error(text)
	}
}
