package live

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// faults are the ways to fail that the page offers, as the simulator takes them.
var faults = []struct{ name, body string }{
	{"down", `{"kind":"status","status":503}`},
	{"slow", `{"kind":"slow","delay":"3s"}`},
	{"429", `{"kind":"status","status":429,"retry_after":"5s"}`},
	{"cut streams", `{"kind":"cut","chunks":3}`},
	{"silent", `{"kind":"hang"}`},
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

	asking sync.Mutex // one change at a time
	mu     sync.Mutex
	now    string // the fault in effect
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
	body := ""
	for _, f := range faults {
		if f.name == want.Fault {
			body = f.body
		}
	}
	if want.Fault != "" && body == "" {
		return fmt.Errorf("%w: the faults are %q", errBadRequest, faultNames())
	}
	return p.vendor.set(r.Context(), want.Fault, body)
}

// set ends the fault in effect and starts another one.
func (v *vendor) set(ctx context.Context, name, body string) error {
	v.asking.Lock()
	defer v.asking.Unlock()
	if err := v.ask(ctx, http.MethodDelete, ""); err != nil {
		return err
	}
	if body != "" {
		if err := v.ask(ctx, http.MethodPost, body); err != nil {
			return err
		}
	}
	v.mu.Lock()
	v.now = name
	v.mu.Unlock()
	return nil
}

func (v *vendor) ask(ctx context.Context, method, body string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, v.url+"/faults", strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("the vendor cannot be steered: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("this vendor is no simulator: it answered %s: %s", resp.Status, said)
	}
	return nil
}
