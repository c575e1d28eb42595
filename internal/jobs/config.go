package jobs

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Config holds the settings of asynchronous jobs.
type Config struct {
	// Take jobs: POST /llm with "Prefer: respond-async". When off the preference is ignored and /llm/jobs is not there.
	Enabled bool `split_words:"true" default:"true" desc:"Take jobs: POST /llm with \"Prefer: respond-async\". When off the preference is ignored and /llm/jobs is not there."`
	// Name of the queues in Redis. Releases that share a Redis need one each, or they work on each other's jobs, with
	// their own vendor.
	Name string `split_words:"true" default:"llm" desc:"Name of the queues in Redis. Releases that share a Redis need one each, or they work on each other's jobs, with their own vendor."`

	// Jobs this pod works on at once, at most; never as many as SLOTS, so that calls whose clients wait find one that
	// no job can take. 0 takes jobs in and leaves them to other pods.
	Workers int `split_words:"true" default:"10" desc:"Jobs this pod works on at once, at most; never as many as SLOTS, so that calls whose clients wait find one that no job can take. 0 takes jobs in and leaves them to other pods."`
	// How often a free worker looks into each queue first. The larger the steps, the stricter the order; none starves.
	Weights map[string]int `split_words:"true" default:"high:100,normal:10,low:1" desc:"How often a free worker looks into each queue first. The larger the steps, the stricter the order; none starves."`
	// Attempts at a job before it counts as failed. Each is a whole call with retries of its own; waiting for the
	// contract or the breaker is none.
	Attempts int `split_words:"true" default:"3" desc:"Attempts at a job before it counts as failed. Each is a whole call with retries of its own; waiting for the contract or the breaker is none."`
	// Pods that may die while they work on a job before it is set aside as poisoned.
	Deaths int `split_words:"true" default:"2" desc:"Pods that may die while they work on a job before it is set aside as poisoned."`
	// Time without a sign of life after which a pod counts as dead and its jobs go to others.
	Lease time.Duration `split_words:"true" default:"15s" desc:"Time without a sign of life after which a pod counts as dead and its jobs go to others."`
	// Time that results and failures are kept.
	Retention time.Duration `split_words:"true" default:"24h" desc:"Time that results and failures are kept."`
	// Age at which a job that is still not done fails with deadline_exceeded.
	MaxAge time.Duration `split_words:"true" default:"24h" desc:"Age at which a job that is still not done fails with deadline_exceeded."`
	// Time that jobs whose vendor call is under way get to end when the pod stops; jobs that wait are handed back at
	// once, and the rest after it. Never longer than SHUTDOWN_GRACE lasts.
	StopGrace time.Duration `split_words:"true" default:"30s" desc:"Time that jobs whose vendor call is under way get to end when the pod stops; jobs that wait are handed back at once, and the rest after it. Never longer than SHUTDOWN_GRACE lasts."`

	// Largest body of a job in bytes, at most MAX_BODY. It lies in Redis until the job has ended.
	MaxBody int64 `split_words:"true" default:"1048576" desc:"Largest body of a job in bytes, at most MAX_BODY. It lies in Redis until the job has ended."`
	// Jobs of one user that are queued or running, at most.
	UserMax int `split_words:"true" default:"200" desc:"Jobs of one user that are queued or running, at most."`
	// Bytes in Redis that jobs, their bodies and results, may take before no more are taken in. 0 is half of Redis's
	// maxmemory, or 256 MiB where Redis has none or does not say.
	Memory int64 `split_words:"true" default:"0" desc:"Bytes in Redis that jobs, their bodies and results, may take before no more are taken in. 0 is half of Redis's maxmemory, or 256 MiB where Redis has none or does not say."`
	// Bytes in Redis that the jobs of one user may take before no more of that user's are taken in. 0 is a quarter of
	// what all may take.
	UserMemory int64 `split_words:"true" default:"0" desc:"Bytes in Redis that the jobs of one user may take before no more of that user's are taken in. 0 is a quarter of what all may take."`

	// Requests per minute with which one user may look at jobs or cancel them, over all pods. They count in no other
	// rate. 0 is no limit.
	Looks int `split_words:"true" default:"600" desc:"Requests per minute with which one user may look at jobs or cancel them, over all pods. They count in no other rate. 0 is no limit."`
	// Requests in this pod that wait for a job (Prefer: wait=N), at most, and never more than half of ADMISSION_MAX;
	// more are answered at once with what is known. 0 means that none waits.
	Waits int `split_words:"true" default:"50" desc:"Requests in this pod that wait for a job (Prefer: wait=N), at most, and never more than half of ADMISSION_MAX; more are answered at once with what is known. 0 means that none waits."`
	// Requests of one user in this pod that wait for a job, at most.
	UserWaits int `split_words:"true" default:"5" desc:"Requests of one user in this pod that wait for a job, at most."`
}

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	var errs []error
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	refuse(c.Name == "" || strings.ContainsAny(c.Name, "{}: \t\r\n"),
		"JOBS_NAME is %q: use a name without braces, colons and spaces, because it is part of Redis keys", c.Name)
	refuse(c.Workers < 0, "JOBS_WORKERS is %d: use 0 (none in this pod) or more", c.Workers)
	refuse(len(c.Weights) != len(classes), "JOBS_WEIGHTS must have high, normal and low, as high:100,normal:10,low:1")
	for _, class := range classes {
		weight := c.Weights[class]
		refuse(weight < 1, "JOBS_WEIGHTS gives %s the weight %d: use at least 1, or it would never be served", class,
			weight)
		refuse(weight > maxWeight, "JOBS_WEIGHTS gives %s the weight %d: use at most %d", class, weight, maxWeight)
	}
	refuse(c.Attempts < 1, "JOBS_ATTEMPTS is %d: use at least 1", c.Attempts)
	refuse(c.Deaths < 1, "JOBS_DEATHS is %d: use at least 1", c.Deaths)
	refuse(c.Lease < time.Second, "JOBS_LEASE is %v: use at least 1s, so that a pod that pauses does not count as dead",
		c.Lease)
	refuse(c.Retention < time.Second, "JOBS_RETENTION is %v: use at least 1s", c.Retention)
	refuse(c.MaxAge < time.Second, "JOBS_MAX_AGE is %v: use at least 1s", c.MaxAge)
	refuse(c.StopGrace < 0, "JOBS_STOP_GRACE is %v: use 0 or more", c.StopGrace)
	refuse(c.MaxBody < 2, "JOBS_MAX_BODY is %d: use at least 2 bytes", c.MaxBody)
	refuse(c.UserMax < 1, "JOBS_USER_MAX is %d: use at least 1", c.UserMax)
	refuse(c.Memory < 0, "JOBS_MEMORY is %d: use 0 (half of Redis's maxmemory) or more bytes", c.Memory)
	refuse(c.UserMemory < 0, "JOBS_USER_MEMORY is %d: use 0 (a quarter of JOBS_MEMORY) or more bytes", c.UserMemory)
	refuse(c.Looks < 0, "JOBS_LOOKS is %d: use 0 (no limit) or more", c.Looks)
	refuse(c.Waits < 0, "JOBS_WAITS is %d: use 0 (no request waits) or more", c.Waits)
	refuse(c.UserWaits < 1, "JOBS_USER_WAITS is %d: use at least 1", c.UserWaits)
	return errors.Join(errs...)
}

// maxWeight bounds the list that the engine draws from for every job.
const maxWeight = 1000
