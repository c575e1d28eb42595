package live

import (
	"net/http"
	"sync/atomic"
)

// frozen is Redis for this pod: connections stay while it is frozen, and nothing is answered.
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
	p.redis.set(want.Frozen)
	return nil
}

func (f *frozen) set(is bool) {
	f.freeze(is)
	f.is.Store(is)
}
