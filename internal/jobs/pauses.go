package jobs

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/llm"
)

// operatorFault returns the code of a failure that the service's operator has to mend: no repeat helps before that, and
// the job is not to blame. It is the code with which a synchronous call fails.
func operatorFault(kind llm.Kind) (code string, ok bool) {
	switch kind {
	case llm.KindAuth:
		return "vendor_auth", true
	case llm.KindQuota:
		return "insufficient_quota", true
	}
	return "", false
}

// waiting is the error of a job that waits for the operator.
type waiting struct {
	code  string
	until time.Time
}

func (w *waiting) Error() string { return "waits for the operator: " + w.code }

// pauses keep the jobs of this pod from calling the vendor while the operator's fault lasts. One job calls after each
// pause, and the pauses grow; the others wait for what it finds. Faults are kept by model, because models may be at
// different vendors. The zero value is ready. It is safe for concurrent use.
type pauses struct {
	mu     sync.Mutex
	models map[string]*modelPause
}

type modelPause struct {
	code   string
	length time.Duration
	until  time.Time
}

const (
	firstPause = time.Second
	lastPause  = time.Minute
	maxPaused  = 100 // models; clients choose their names
)

// admit returns nil when a job of the model may call at now.
func (p *pauses) admit(model string, now time.Time) *waiting {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, ok := p.models[model]
	switch {
	case !ok:
		return nil
	case now.Before(m.until):
		return &waiting{m.code, m.until}
	}
	m.until = now.Add(m.length) // this job tries, the others wait meanwhile
	return nil
}

// failed begins a pause after a job of the model met the operator's fault, unless another job that called at the same
// time has begun one.
func (p *pauses) failed(model, code string, began, now time.Time) *waiting {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, ok := p.models[model]
	switch {
	case !ok:
		if p.models == nil || len(p.models) >= maxPaused {
			p.models = map[string]*modelPause{}
		}
		m = &modelPause{length: firstPause}
		p.models[model] = m
	case began.Before(m.until.Add(-m.length)): // it called before the pause began
		return &waiting{code, m.until}
	default:
		m.length = min(2*m.length, lastPause)
	}
	m.code, m.until = code, now.Add(m.length)
	return &waiting{code, m.until}
}

// passed ends the pauses of the model: the vendor took a call.
func (p *pauses) passed(model string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.models, model)
}

// pause is how long the engine keeps the job, a little longer than the others' by chance.
func (w *waiting) pause(now time.Time) time.Duration {
	return max(w.until.Sub(now), 0) + rand.N(firstPause/2)
}
