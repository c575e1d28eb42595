// Package jobs is the queue that all pods share: work whose client does not wait, done when there is room, and not
// lost.
//
//	Submit     record and place in the queue, at once            submit.go, lua/submit.lua
//	Look       queued, running, succeeded, failed, cancelled     look.go, job.go
//	ReadAnswer what the vendor answered                          look.go
//	Wait       the same, when the job has ended                  wait.go
//	Cancel     also in the middle of a vendor call               cancel.go
//	worker     takes tasks from the engine                       worker.go, engine.go
//	  run      one job: claim, call, report how it ended         run.go, call.go
//	  gates    one job of a pod in the gates of a lane at a time turnstile.go, places.go
//	  pauses   no calls while the operator's fault lasts         pauses.go
//	keeper     signs of life, and what dead pods left behind     keeper.go
//	memory     bytes that jobs may take in Redis                 memory.go
//
// hibiken/asynq, the engine, moves the jobs: queues with weights, workers, delayed attempts, an archive of what failed.
// What a job is stands in a record of our own, which changes only in the scripts of lua/. A record has a generation, a
// number that grows whenever the job is given to another worker; a worker that holds an older generation is stale, and
// nothing it reports counts. So however often the engine brings a job, one worker has it, and it ends once.
package jobs

import (
	"context"
	"errors"
	"log/slog"

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
	Full                outcome.Reason = "jobs_full"            // the memory for jobs is used up
	TooMany             outcome.Reason = "too_many_jobs"        // the user's limit
	TooManyBytes        outcome.Reason = "too_many_job_bytes"   // the user's limit
	NotFound            outcome.Reason = "job_not_found"        // no such job, or another user's
	Ended               outcome.Reason = "job_ended"            // cannot be cancelled any more
	IdempotencyMismatch outcome.Reason = "idempotency_mismatch" // the same key with another body
	// The vendor answered, and the answer could not be stored.
	ResultDropped outcome.Reason = "job_result_dropped"
	JobPoisoned   outcome.Reason = "job_poisoned" // pods died of it
)

// classes are the queues, the first served first.
var classes = []string{llm.High.String(), llm.Normal.String(), llm.Low.String()}

// errPoisoned is the error of a job that is set aside.
var errPoisoned = &outcome.Rejected{Layer: "jobs", Reason: JobPoisoned}

// Deps are the parts that jobs are made of.
type Deps struct {
	Caller Caller
	Redis  *redisx.Client
	// Problem is the status and the document that a synchronous call would have answered err with.
	Problem func(err error, requestID string) (status int, document []byte)
	// Expired is the error of a job that has become too old.
	Expired error
	// Lane names the lane of a model; nil where there is one lane.
	Lane func(model string) string
	// Used is told how many tokens a job used, by estimate before and in the end. It may be nil.
	Used     func(user string, estimate, used int)
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
	memory  memory
	waits   waits
	large   chan struct{} // submissions of large bodies that are under way
	engine  *asynq.Client
	inspect *asynq.Inspector
	problem func(err error, requestID string) (status int, document []byte)
	log     *slog.Logger
	metrics *metrics
	pod     string
	worker  *worker // nil: this pod only takes jobs in
	keeper  *keeper

	stopping context.Context // ends when the pod stops
	begin    context.CancelFunc
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
	s := &Service{
		cfg: cfg, redis: d.Redis, patient: patient, problem: d.Problem, log: d.Log,
		store:  store{root: "llm:{" + cfg.Name + ":jobs}"},
		memory: memory{all: cfg.Memory, user: cfg.UserMemory},
		waits:  waits{limit: cfg.Waits, userLimit: cfg.UserWaits, users: map[string]int{}},
		large:  make(chan struct{}, largeAtOnce),
		engine: asynq.NewClientFromRedisClient(patient), inspect: asynq.NewInspectorFromRedisClient(patient),
		pod: uuid.NewString(),
	}
	if s.metrics, err = newMetrics(d.Reg, &s.memory, &s.waits); err != nil {
		return nil, errors.Join(err, patient.Close())
	}
	s.stopping, s.begin = context.WithCancel(context.Background())
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

// Stop answers the requests that wait for a job with what is known, hands back the jobs that wait, both at once, gives
// vendor calls that are under way StopGrace to end, and hands back the rest.
func (s *Service) Stop() {
	s.begin()
	if s.worker != nil {
		s.worker.stop()
	}
}

// Close ends everything. Stop must have been called when Start was.
func (s *Service) Close() error {
	s.begin()
	s.keeper.stop()
	return s.patient.Close()
}
