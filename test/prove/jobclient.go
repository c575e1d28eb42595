package prove

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
)

// job is a job as its client sees it.
type job struct {
	ID       string
	State    string
	Priority string
	Created  time.Time `json:"created_at"`
	Started  time.Time `json:"started_at"`
	Ended    time.Time `json:"ended_at"`

	user, key string
}

// submit submits a job. When the answer is 503, it submits the job again with the same Idempotency-Key, as clients
// should.
func (c *Cluster) submit(j *job) error {
	body := `{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":16}`
	header := http.Header{"Prefer": {"respond-async"}, "X-Priority": {j.Priority}, "Idempotency-Key": {j.key}}
	for late := time.Now().Add(await.Limit); ; c.hold(100 * time.Millisecond) {
		status, err := c.jobCall(j, http.MethodPost, "/llm", body, header)
		if err != nil || status == http.StatusAccepted {
			return err
		}
		if status != http.StatusServiceUnavailable || time.Now().After(late) {
			return fmt.Errorf("a job was not accepted: status %d", status)
		}
	}
}

// finish waits until a job has ended.
func (c *Cluster) finish(j *job) error {
	for late := time.Now().Add(await.Limit); ; {
		status, err := c.jobCall(j, http.MethodGet, "/llm/jobs/"+j.ID, "", http.Header{"Prefer": {"wait=5"}})
		switch {
		case err != nil:
			return err
		case status == http.StatusOK && j.State != "queued" && j.State != "running":
			return nil
		case time.Now().After(late):
			return fmt.Errorf("job %s is still %s; status %d", j.ID, j.State, status)
		}
	}
}

// jobCall makes a request of j's user, and decodes the answer into j when it is a success.
func (c *Cluster) jobCall(j *job, method, path, body string, header http.Header) (status int, err error) {
	pod := c.balancer.pick()
	if pod == nil {
		return 0, errors.New("no pod is ready")
	}
	req, err := http.NewRequestWithContext(c.tb.Context(), method, pod.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header = header
	req.Header.Set("Authorization", "Bearer "+j.user)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		return res.StatusCode, err
	}
	return res.StatusCode, json.Unmarshal(answer, j)
}
