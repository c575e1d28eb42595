package chart_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// server is the binary of the service, built once.
var server string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "chart")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	server = filepath.Join(dir, "server")
	build := exec.Command("go", "build", "-pgo=off", "-o", server, "./cmd/server")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the server: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// TestTheServiceTakesWhatTheChartGives has the service's own check read the environment of every scenario's pods.
func TestTheServiceTakesWhatTheChartGives(t *testing.T) {
	t.Parallel()
	for _, scenario := range scenarios(t) {
		for _, set := range []string{"limits.sla=60s", "limits.callTimeout=60s", "limits.queueTimeout=500ms",
			"drain.delay=6500ms", "quota.requests=10,quota.burst=10"} {
			t.Run(scenario+" "+set, func(t *testing.T) {
				t.Parallel()
				check := exec.Command(server, "-check")
				check.Env = environment(t, mustRender(t, scenario, set))
				if out, err := check.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
	}
}

// environment returns the variables of the server's container, with values for the user's own Secrets.
func environment(tb testing.TB, r rendered) (env []string) {
	tb.Helper()
	for name, value := range settings(tb, r) {
		if strings.HasSuffix(name, "_FILE") && name != "LLM_API_KEYS_FILE" && value != "" { // mounted from a Secret
			file := filepath.Join(tb.TempDir(), "secret")
			if err := os.WriteFile(file, []byte("rediss://user:password@redis.example.com:6380"), 0o600); err != nil {
				tb.Fatal(err)
			}
			value = file
		}
		env = append(env, name+"="+value.(string))
	}
	for _, e := range serverContainer(tb, r)["env"].([]any) {
		variable := object(e.(map[string]any))
		name := variable["name"].(string)
		switch value, plain := variable["value"].(string); {
		case plain:
			env = append(env, name+"="+value)
		default:
			env = append(env, name+"=secret")
		}
	}
	return env
}

// serverContainer is the container of the server's pods.
func serverContainer(tb testing.TB, r rendered) object {
	tb.Helper()
	return object(r.find(tb, "Deployment", "llm-spillway").at("spec", "template", "spec",
		"containers").([]any)[0].(map[string]any))
}

// settings are the data of the ConfigMap that the server's pods read.
func settings(tb testing.TB, r rendered) map[string]any {
	tb.Helper()
	name := serverContainer(tb,
		r)["envFrom"].([]any)[0].(map[string]any)["configMapRef"].(map[string]any)["name"].(string)
	return r.find(tb, "ConfigMap", name).at("data").(map[string]any)
}

// TestDefaultsAreTheServices compares the chart's defaults with the service's defaults: if only one of them changed,
// limits would no longer fit each other.
func TestDefaultsAreTheServices(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(LLM_[A-Z0-9_]+)` \\| `([^`]*)` \\|").FindAllStringSubmatch(
		string(page), -1) {
		if defaults[m[1]] == "" {
			defaults[m[1]] = m[2]
		}
	}
	own := []string{ // they follow from the release, or from other values
		"LLM_PLAYGROUND", "LLM_JOBS_NAME", "LLM_QUOTA_SHARES", "LLM_SHUTDOWN_GRACE", "LLM_TIER_RATES",
	}
	compared := 0
	for name, got := range settings(t, mustRender(t, "", "vendor.simulated=true")) {
		want, known := defaults[name]
		if !known || slices.Contains(own, name) {
			continue
		}
		compared++
		if got != want {
			t.Errorf("%s is %v, and %s in the service", name, got, want)
		}
	}
	if compared < 20 {
		t.Errorf("only %d settings are compared", compared)
	}
}

// TestEverySettingIsThere reads docs/configuration.md. Each setting there is set by the chart from a value (and config
// then refuses it), or can be set in config.
func TestEverySettingIsThere(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	known := regexp.MustCompile("(?m)^\\| `LLM_([A-Z0-9_]+)` \\|").FindAllStringSubmatch(string(page), -1)
	if len(known) < 40 {
		t.Fatalf("only %d settings in docs/configuration.md", len(known))
	}
	set := map[string]bool{}
	for _, scenario := range scenarios(t) {
		for _, variable := range environment(t, mustRender(t, scenario)) {
			name, _, _ := strings.Cut(strings.TrimPrefix(variable, "LLM_"), "=")
			set[name] = true
		}
	}
	all := map[string]bool{}
	for _, m := range known {
		name := m[1]
		all[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := render4(values(t, "simulated", "config."+name+"=x"), nil)
			if err != nil {
				if !strings.Contains(err.Error(), "config."+name+": set ") {
					t.Error(err)
				} else if !set[name] && !set[name+"_FILE"] { // a secret reaches the pods as a file
					t.Error("config refuses it, and no scenario sets it")
				}
				return
			}
			r, err := parse(files)
			if err != nil { // the key is there twice
				t.Fatalf("config takes it and the chart sets it too: %v", err)
			}
			if got := settings(t, r)["LLM_"+name]; got != "x" {
				t.Errorf("config sets it to %v", got)
			}
		})
	}
	for name := range set {
		if !all[name] && !slices.Contains([]string{"GOMEMLIMIT", "REDIS_PASSWORD", "SSL_CERT_DIR"}, name) &&
			!strings.HasPrefix(name, "OTEL_") && !strings.HasPrefix(name, "LANE_") {
			t.Errorf("the chart sets %s, which the service does not know", name)
		}
	}
}
