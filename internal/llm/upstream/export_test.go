package upstream

import "net/http"

// Pool is the transport in use, so that tests can redirect its connections.
func (v *Vendor) Pool() *http.Transport { return v.pool.current.Load().Transport }

// ErrHandedBack is the end of a request that the vendor has handed back twice.
var ErrHandedBack = errHandedBack

// ErrCut is an answer that ended before its end.
var ErrCut = errCut
