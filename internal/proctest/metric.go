package proctest

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Metric is the sum over the series of a pod's metric whose lines begin with name, which may hold labels: 0 when there
// is none.
func (p *Process) Metric(name string) (sum float64, err error) {
	res, err := http.Get(p.Admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the metrics are answered with %s", res.Status)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		rest, found := strings.CutPrefix(lines.Text(), name)
		if !found || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("the metric %s: %w", name, err)
		}
		sum += value
	}
	return sum, lines.Err()
}
