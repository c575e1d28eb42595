package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
)

// task is what the engine moves: a job under one of its generations.
type task struct{ id, generation string }

// payload and taskOf are the form in which the engine keeps it.
func (t task) payload() []byte { return []byte(t.id + " " + t.generation) }

func taskOf(payload []byte) (t task, ok bool) {
	t.id, t.generation, ok = strings.Cut(string(payload), " ")
	return t, ok
}

// first reports whether the job has never been put back under a new generation.
func (t task) first() bool { return t.generation == "0" }

// name is the engine's name of the task.
func (t task) name() string {
	if t.first() {
		return t.id
	}
	return t.id + "." + t.generation
}

// next is the task after it has been put back.
func (t task) next() task {
	n, _ := strconv.Atoi(t.generation)
	return task{t.id, strconv.Itoa(n + 1)}
}

// recovered is the queue of jobs that were begun and given back: they have waited before.
const recovered = "again"

// queue is the engine's name of the queue in which a task of a class stands.
func (s *Service) queue(class string, t task) string {
	if !t.first() {
		class = recovered
	}
	return s.cfg.Name + ":" + class
}

const (
	taskType = "llm"
	maxRetry = 1 << 20              // attempts are counted in the record
	noLimit  = 365 * 24 * time.Hour // where the engine wants a limit: this package ends jobs itself
)

// enqueue gives a task to the engine. It may be done twice: the engine knows a task by its name.
func (s *Service) enqueue(ctx context.Context, t task, class string) error {
	_, err := s.engine.EnqueueContext(ctx, asynq.NewTask(taskType, t.payload()),
		asynq.TaskID(t.name()), asynq.Queue(s.queue(class, t)), asynq.MaxRetry(maxRetry), asynq.Timeout(noLimit))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// othersWait reports whether the engine has a job that a free worker could take. When it does not say, there is none.
func (s *Service) othersWait() bool {
	for _, class := range append([]string{recovered}, classes...) {
		if tasks, _ := s.inspect.ListPendingTasks(s.cfg.Name+":"+class, asynq.PageSize(1)); len(tasks) > 0 {
			return true
		}
	}
	return false
}

// newServer returns the engine's part that takes tasks.
func (s *Service) newServer() *asynq.Server {
	queues := map[string]int{}
	most := 0
	for class, weight := range s.cfg.Weights {
		queues[s.cfg.Name+":"+class] = weight
		most = max(most, weight)
	}
	queues[s.cfg.Name+":"+recovered] = most
	return asynq.NewServerFromRedisClient(s.patient, asynq.Config{
		Concurrency: s.cfg.Workers, Queues: queues,
		RetryDelayFunc:  func(_ int, err error, _ *asynq.Task) time.Duration { return delay(err) },
		IsFailure:       func(err error) bool { _, ok := errors.AsType[*attemptError](err); return ok },
		ShutdownTimeout: time.Second, // long after everything has been handed back
		Logger:          engineLog{s.log}, LogLevel: asynq.DebugLevel,
		BaseContext: context.Background,
	})
}

// attemptError is a failed attempt after which the engine brings the job again.
type attemptError struct {
	attempts int
	err      error
}

func (e *attemptError) Error() string { return e.err.Error() }
func (e *attemptError) Unwrap() error { return e.err }

// delay is the pause before the engine brings a job again: after a failed attempt it grows, for the operator it lasts
// as long as the others pause, for a lane that is closed until that may be open, after trouble with Redis or a lease
// that ran out it is short.
func delay(err error) time.Duration {
	if failed, ok := errors.AsType[*attemptError](err); ok {
		return min(time.Second<<min(failed.attempts, 10), time.Minute) + rand.N(time.Second)
	}
	if waits, ok := errors.AsType[*waiting](err); ok {
		return waits.pause(time.Now())
	}
	if full, ok := errors.AsType[*noRoom](err); ok {
		return min(max(full.wait, time.Second), time.Minute) + rand.N(time.Second)
	}
	return time.Second
}

// engineLog takes the engine's own lines at debug: this package and its Redis client log what matters of them, once.
type engineLog struct{ log *slog.Logger }

func (l engineLog) write(args []any) {
	ctx := context.Background()
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.LogAttrs(ctx, slog.LevelDebug, "asynq", slog.String("text", fmt.Sprint(args...)))
	}
}

func (l engineLog) Debug(args ...any) { l.write(args) }
func (l engineLog) Info(args ...any)  { l.write(args) }
func (l engineLog) Warn(args ...any)  { l.write(args) }
func (l engineLog) Error(args ...any) { l.write(args) }
func (l engineLog) Fatal(args ...any) { l.write(args) }
