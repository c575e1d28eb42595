package live

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// frozen is the embedded Redis: connections stay while it is frozen, and nothing is answered.
type frozen struct {
	freeze func(bool)
	is     atomic.Bool
}

// serveRedis takes {"frozen":true}.
func (p *play) serveRedis(r *http.Request) error {
	var want struct {
		Frozen bool `json:"frozen"`
	}
	if err := read(r, &want); err != nil {
		return err
	}
	if p.redis == nil {
		return fmt.Errorf("%w: this Redis is not the embedded one", errBadRequest)
	}
	p.redis.freeze(want.Frozen)
	p.redis.is.Store(want.Frozen)
	return nil
}
