package dashboard

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/proctest"
)

// The labels that the chart's ServiceMonitor and Prometheus itself add to scraped series. The second target is the same
// pod as if it belonged to another release.
const config = `
global: {scrape_interval: 500ms, scrape_timeout: 500ms}
scrape_configs:
  - job_name: spillway
    static_configs:
      - targets: [%[1]q]
        labels: {namespace: test, service: llm-spillway, pod: pod-1}
      - targets: [%[1]q]
        labels: {namespace: other, service: other-spillway, pod: pod-2}
`

// prometheus is a Prometheus that scrapes a pod.
type prometheus struct{ url string }

// startPrometheus starts a Prometheus that scrapes the address target twice a second.
func startPrometheus(t *testing.T, target string) prometheus {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("this test needs prometheus and finds none in PATH: " +
			"`make dashboard-test` installs it, or use your system's package manager")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, target), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	process := proctest.Launch(t, proctest.Program{Path: path, Args: []string{
		"--config.file=" + file, "--storage.tsdb.path=" + dir, "--web.listen-address=" + addr,
	}})
	p := prometheus{url: "http://" + addr}
	await.True(t, "prometheus is ready", func() bool {
		select {
		case <-process.Exited():
			t.Fatal("prometheus has ended")
		default:
		}
		answer, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return p
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// series has the values of one series of an answer, without NaN.
type series struct {
	Labels map[string]string
	Values []float64
}

// between evaluates a query for each second of an interval.
func (p prometheus) between(t *testing.T, query string, from, to time.Time) []series {
	t.Helper()
	seconds := func(at time.Time) string { return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64) }
	var said struct {
		Result []struct {
			Metric map[string]string
			Values [][2]any // time, and a number as text
		}
	}
	p.ask(t, "/api/v1/query_range", url.Values{
		"query": {query}, "start": {seconds(from)}, "end": {seconds(to)}, "step": {"1"},
	}, &said)
	var all []series
	for _, r := range said.Result {
		one := series{Labels: r.Metric}
		for _, v := range r.Values {
			if n, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
				one.Values = append(one.Values, n)
			}
		}
		if len(one.Values) > 0 {
			all = append(all, one)
		}
	}
	return all
}

// values are the values of a label in all series that a selector matches, in order.
func (p prometheus) values(t *testing.T, label, selector string) (all []string) {
	t.Helper()
	p.ask(t, "/api/v1/label/"+label+"/values", url.Values{"match[]": {selector}}, &all)
	return all
}

// ask calls Prometheus and reads the data of its answer.
func (p prometheus) ask(t *testing.T, path string, with url.Values, data any) {
	t.Helper()
	answer, err := http.Get(p.url + path + "?" + with.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said := struct {
		Error string
		Data  any
	}{Data: data}
	text, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(text, &said)
	}
	if err != nil || said.Error != "" {
		t.Fatalf("%s %v: %v, %s: %.2000s", path, with, err, answer.Status, text)
	}
}

// shape formats series for a log: their labels, and the largest value of each.
func shape(all []series) string {
	var b strings.Builder
	for _, s := range all {
		most := s.Values[0]
		for _, v := range s.Values {
			most = max(most, v)
		}
		fmt.Fprintf(&b, " %v up to %.3g;", s.Labels, most)
	}
	return b.String()
}
