package jobs_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/spillway-dev/spillway/internal/jobs"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// narrow is a connection on which much at a time takes longer than a command of a request may.
type narrow struct{ net.Conn }

func (n narrow) Write(p []byte) (int, error) {
	if len(p) > 256<<10 {
		<-time.After(budget + budget/10)
	}
	return n.Conn.Write(p)
}

// TestLargeJobsRaiseNoDoubtAboutRedis: bodies that take longer than the budget to send are taken all the same, and
// Redis does not count as away.
func TestLargeJobsRaiseNoDoubtAboutRedis(t *testing.T) {
	t.Parallel()
	p := newPod(t, options{workers: -1, redis: redisx.Config{URL: redistest.Start(t).URL(),
		Through: func(conn net.Conn) net.Conn { return narrow{conn} }}})
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			id, fresh, err := p.Submit(t.Context(), submission("ada", 1<<20))
			if err != nil || !fresh {
				t.Errorf("fresh %v, %v", fresh, err)
				return
			}
			if j, err := p.Look(t.Context(), "ada", id); err != nil || j.State != jobs.Queued {
				t.Errorf("%+v, %v", j, err)
			}
		})
	}
	all.Wait()
	if p.total(t, "llm_redis_up") != 1 {
		t.Error("Redis counts as away")
	}
	if n := p.counted(t, "llm_redis_commands_total", "failed"); n > 0 {
		t.Errorf("%v commands failed", n)
	}
}
