package jobs

import (
	"context"
	"sync"

	"github.com/spillway-dev/spillway/internal/llm"
)

// turnstile lets one job of this pod into the gates at a time: the one of the highest class, and within a class the first that
// came. The others would get the same answer, and each would ask Redis for it.
type turnstile struct {
	mu     sync.Mutex
	taken  bool
	queues [llm.High + 1][]chan struct{}
}

// pass waits until the job may enter, in front of its class when it comes again. The caller calls leave, once or more often.
func (t *turnstile) pass(ctx context.Context, class llm.Priority, again bool) (leave func(), err error) {
	leave = sync.OnceFunc(t.release)
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return leave, nil
	}
	mine := make(chan struct{})
	if again {
		t.queues[class] = append([]chan struct{}{mine}, t.queues[class]...)
	} else {
		t.queues[class] = append(t.queues[class], mine)
	}
	t.mu.Unlock()
	select {
	case <-mine:
		return leave, nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	for i, other := range t.queues[class] {
		if other == mine {
			t.queues[class] = append(t.queues[class][:i], t.queues[class][i+1:]...)
			t.mu.Unlock()
			return nil, context.Cause(ctx)
		}
	}
	t.mu.Unlock()
	t.release() // it was let in at the same moment: let the next one in
	return nil, context.Cause(ctx)
}

func (t *turnstile) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for class := llm.High; ; class-- {
		if waiting := t.queues[class]; len(waiting) > 0 {
			t.queues[class] = waiting[1:]
			close(waiting[0])
			return
		}
		if class == llm.Low {
			break
		}
	}
	t.taken = false
}
