package jobs

import "sync"

// places are the workers of a pod that jobs may keep while they do nothing, in all lanes together. A nil *places has no
// limit. It is safe for concurrent use.
type places struct {
	limit int

	mu    sync.Mutex
	taken int
}

// take reports false when there is no place left.
func (p *places) take() bool {
	if p == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.limit {
		return false
	}
	p.taken++
	return true
}

func (p *places) giveBack() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
}
