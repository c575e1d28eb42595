package jobs

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
)

// memory knows how many bytes jobs may take in Redis, so that jobs leave room for the limits, which are in the same
// Redis. The scripts count what each job takes and give it back when its record expires.
type memory struct {
	all, user int64 // settings; 0 derives them from maxmemory

	maxmemory atomic.Int64 // Redis's; 0 when there is none or it is not known
	unknown   sync.Once
}

const (
	// unlimited is what jobs may take where Redis states no maxmemory: its host or container has an end all the same.
	unlimited = 256 << 20
	// overhead is about what a job takes besides body and answer: its record, its places in the indexes, the engine's
	// task.
	overhead = 2 << 10
)

// limits returns how many bytes all jobs and those of one user may take.
func (m *memory) limits() (all, user int64) {
	all = cmp.Or(m.all, m.maxmemory.Load()/2, unlimited)
	return all, cmp.Or(m.user, all/4)
}

// answers is the number of bytes up to which answers are stored: the jobs that were taken in must be able to end.
func (m *memory) answers() int64 {
	all, _ := m.limits()
	return 2 * all
}

// learn asks Redis for its maxmemory. On failure the last known figure stays.
func (m *memory) learn(ctx context.Context, s *Service) {
	said, err := s.store.run(ctx, s.patient, memoryScript, args{})
	if err != nil || said.text("error") != "" {
		if err == nil {
			m.unknown.Do(func() {
				s.log.LogAttrs(ctx, slog.LevelInfo,
					"jobs: redis does not tell its maxmemory; set LLM_JOBS_MEMORY or allow +info",
					slog.String("error", said.text("error")))
			})
		}
		return
	}
	m.maxmemory.Store(said.number("maxmemory"))
}
