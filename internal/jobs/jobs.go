// Package jobs is the queue that all pods share: work that nobody waits for, done when there is room, and not lost.
//
//	Submit     record and place in the queue, at once            submit.go, lua/submit.lua
//	Look       queued, running, succeeded, failed, cancelled     look.go
//	Cancel     also in the middle of a vendor call               submit.go
//	worker     one job: claim, call, say how it ended            worker.go
//	  wait     one job of a pod in the gates at a time           turnstile.go
//	keeper     signs of life, and what dead pods left behind     keeper.go
//
// hibiken/asynq moves the jobs: queues with weights, workers, delayed attempts, an archive of what failed. What a job is
// stands in a record of our own, which changes only in the scripts of lua/. A record has a turn, a number that grows
// whenever the job is given to somebody else; a worker that holds an older turn is a ghost, and nothing it says counts. So
// however often the engine brings a job, one worker has it, and it ends once.
package jobs

import (
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/outcome"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// Reasons that only this package has.
const (
	Unavailable         outcome.Reason = "jobs_unavailable"     // Redis is away
	TooMany             outcome.Reason = "too_many_jobs"        // the user's limit
	NotFound            outcome.Reason = "job_not_found"        // no such job, or another user's
	Ended               outcome.Reason = "job_ended"            // cannot be cancelled any more
	IdempotencyMismatch outcome.Reason = "idempotency_mismatch" // the same key with another body
)

// classes are the queues, the first served first.
var classes = []string{llm.High.String(), llm.Normal.String(), llm.Low.String()}

// recovered is the queue of jobs that were begun and given back: they have waited before.
const recovered = "again"

// Deps are the parts that jobs are made of.
type Deps struct {
	Caller Caller
	Redis  *redisx.Client
	// Problem is the status and the document that a synchronous call would have answered err with.
	Problem func(err error, requestID string) (status int, document []byte)
	// Expired is the error of a job that has become too old.
	Expired  error
	Estimate llm.EstimateConfig // of what a call's payload costs
	Log      *slog.Logger
	Reg      prometheus.Registerer
	Tracer   trace.TracerProvider // may be nil: no spans
}

// Service takes jobs in and shows them. It is safe for concurrent use.
type Service struct {
	cfg     Config
	redis   *redisx.Client        // for what a client waits for
	patient redis.UniversalClient // for the rest
	store   store
	engine  *asynq.Client
	inspect *asynq.Inspector
	log     *slog.Logger
	metrics *metrics
	pod     string
	worker  *worker // nil: this pod only takes jobs in
	keeper  *keeper
}

// New returns a service that takes jobs in at once, and works on them from Start on.
func New(cfg Config, d Deps) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	patient, err := d.Redis.Patient()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(d.Reg)
	if err != nil {
		return nil, errors.Join(err, patient.Close())
	}
	s := &Service{
		cfg: cfg, redis: d.Redis, patient: patient, log: d.Log, metrics: m,
		store:  store{root: "llm:{" + cfg.Name + ":jobs}"},
		engine: asynq.NewClientFromRedisClient(patient), inspect: asynq.NewInspectorFromRedisClient(patient),
		pod: uuid.NewString(),
	}
	if cfg.Workers > 0 {
		s.worker = newWorker(s, d)
	}
	s.keeper = &keeper{s: s}
	return s, nil
}

// MaxBody is the largest body that a job may have, in bytes.
func (s *Service) MaxBody() int64 { return s.cfg.MaxBody }

// Start begins to work. It does not fail when Redis is away: it waits for it.
func (s *Service) Start() error {
	s.keeper.start()
	if s.worker == nil {
		return nil
	}
	return s.worker.start()
}

// Stop hands back what waits, at once, gives vendor calls that are under way StopGrace to end, and hands back the rest.
func (s *Service) Stop() {
	if s.worker != nil {
		s.worker.stop()
	}
}

// Close ends everything. Stop must have been called when Start was.
func (s *Service) Close() error {
	s.keeper.stop()
	return s.patient.Close()
}

// queue is the engine's name of a queue.
func (s *Service) queue(class string, turn string) string {
	if turn != "0" {
		class = recovered
	}
	return s.cfg.Name + ":" + class
}

// forever stands for no limit where the engine wants one: what ends a job is this package's affair.
const forever = 365 * 24 * time.Hour
