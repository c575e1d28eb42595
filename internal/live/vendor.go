package live

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// vendor steers the simulated vendor. Several pods may steer the same one, so what it does is asked and not remembered.
type vendor struct {
	urls   []string // of the control pages of each lane's vendor. The first is steered
	client *http.Client

	asking sync.Mutex // one change at a time

	mu  sync.Mutex
	now string // the fault in effect, as of the last look
}

func (v *vendor) fault() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

func (v *vendor) note(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = name
}

// set ends the faults in effect and starts another one; a fault without a name is none.
func (v *vendor) set(ctx context.Context, name string) error {
	body := "[]"
	if name != "" {
		i := slices.IndexFunc(faults, func(f Fault) bool { return f.Name == name })
		if i < 0 {
			return fmt.Errorf("%w: the faults are %q", errBadRequest, faultNames())
		}
		body = faults[i].body
	}
	v.asking.Lock()
	defer v.asking.Unlock()
	if err := v.simulated(ctx); err != nil {
		return err
	}
	if _, err := v.ask(ctx, http.MethodPut, v.urls[0]+"/faults", body); err != nil {
		return err
	}
	v.note(name)
	return nil
}

// simulated returns an error unless the vendor of every lane is a simulator. What is tried out here must not reach a
// real vendor, not as the fallback of a lane either.
func (v *vendor) simulated(ctx context.Context) error {
	for _, url := range v.urls {
		list, err := v.ask(ctx, http.MethodGet, url+"/faults", "")
		if err == nil {
			_, err = nameOf(list)
		}
		if err != nil {
			return fmt.Errorf("the vendor at %s is no simulator that can be reached: %w", url, err)
		}
	}
	return nil
}

// follow looks once a second what the simulator does, while the page is watched, until ctx ends.
func (v *vendor) follow(ctx context.Context, watched func() bool) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if watched() {
			v.look(ctx)
		}
	}
}

// look asks what the simulator does, between two changes. While it cannot be asked, the page shows what it did last.
func (v *vendor) look(ctx context.Context) {
	v.asking.Lock()
	defer v.asking.Unlock()
	list, err := v.ask(ctx, http.MethodGet, v.urls[0]+"/faults", "")
	if err != nil {
		return
	}
	if name, err := nameOf(list); err == nil {
		v.note(name)
	}
}

// ask sends a request to one of the simulator's pages and returns its answer.
func (v *vendor) ask(ctx context.Context, method, url, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := v.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusNoContent && (method != http.MethodGet || resp.StatusCode != http.StatusOK) {
		return nil, fmt.Errorf("it answered %s: %.500s", resp.Status, said)
	}
	return said, nil
}
