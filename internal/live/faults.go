package live

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// fault is one way to fail, as the simulator takes it.
type fault struct{ name, body, contract string }

// faults are the ways to fail that the page offers.
var faults = []fault{
	{name: "down", body: `{"kind":"status","status":503}`},
	{name: "slow", body: `{"kind":"slow","delay":"3s"}`},
	{name: "429", body: `{"kind":"status","status":429,"retry_after":"5s"}`},
	{name: "cut streams", body: `{"kind":"cut","chunks":3}`},
	{name: "silent", body: `{"kind":"hang"}`},
	{name: "smaller contract", contract: `{"requests":100,"window":"10s","enforce":true}`},
}

func faultNames() []string {
	names := make([]string, len(faults))
	for i, f := range faults {
		names[i] = f.name
	}
	return names
}

// vendor steers the simulated vendor.
type vendor struct {
	url string

	asking  sync.Mutex      // one change at a time
	granted json.RawMessage // the contract that the simulator had; nil while it has it

	mu  sync.Mutex
	now string // the fault in effect
}

func (v *vendor) fault() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// serveFault takes {"fault":"down"}; an empty name ends the fault.
func (p *play) serveFault(r *http.Request) error {
	var want struct {
		Fault string `json:"fault"`
	}
	if err := read(r, &want); err != nil {
		return err
	}
	var found fault
	for _, f := range faults {
		if f.name == want.Fault {
			found = f
		}
	}
	if found.name != want.Fault {
		return fmt.Errorf("%w: the faults are %q", errBadRequest, faultNames())
	}
	return p.vendor.set(r.Context(), found)
}

// set ends the fault in effect and starts another one; a fault without a name is none.
func (v *vendor) set(ctx context.Context, f fault) error {
	v.asking.Lock()
	defer v.asking.Unlock()
	if _, err := v.ask(ctx, http.MethodDelete, "/faults", ""); err != nil {
		return err
	}
	if f.body != "" {
		if _, err := v.ask(ctx, http.MethodPost, "/faults", f.body); err != nil {
			return err
		}
	}
	if err := v.grant(ctx, f.contract); err != nil {
		return err
	}
	v.mu.Lock()
	v.now = f.name
	v.mu.Unlock()
	return nil
}

// grant changes the contract that the simulator enforces, and nothing else of how it behaves; "" is the one it had.
func (v *vendor) grant(ctx context.Context, contract string) error {
	if contract == "" && v.granted == nil {
		return nil
	}
	text, err := v.ask(ctx, http.MethodGet, "/config", "")
	if err != nil {
		return err
	}
	var config map[string]json.RawMessage
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	before := config["contract"]
	config["contract"] = json.RawMessage(contract)
	if contract == "" {
		config["contract"], before = v.granted, nil
	} else if v.granted != nil {
		before = v.granted
	}
	if _, err := v.ask(ctx, http.MethodPut, "/config", string(encode(config))); err != nil {
		return err
	}
	v.granted = before
	return nil
}

// ask sends a request to one of the simulator's pages and returns its answer.
func (v *vendor) ask(ctx context.Context, method, page, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, v.url+page, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the vendor cannot be steered: %w", err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("the vendor cannot be steered: %w", err)
	}
	if resp.StatusCode != http.StatusNoContent && (method != http.MethodGet || resp.StatusCode != http.StatusOK) {
		return nil, fmt.Errorf("this vendor is no simulator: it answered %s: %.500s", resp.Status, said)
	}
	return said, nil
}
