package jobs

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// AddHook puts h next to the sockets of the background work. It must be called before Start.
func (s *Service) AddHook(h redis.Hook) { s.patient.AddHook(h) }

// SetLeaveFor sets how long a worker tries to write down how a job ended. It must be called before Start.
func (s *Service) SetLeaveFor(d time.Duration) { s.worker.leaveFor = d }

// Pod is the name under which Redis knows the pod.
func (s *Service) Pod() string { return s.pod }

// Outbox is the key of the jobs that the engine may not have.
func (s *Service) Outbox() string { return s.store.outbox() }

// Job is the key of a job's record.
func (s *Service) Job(id string) string { return s.store.job(id) }

// ErrLost is the cause of a run's end whose job is another pod's.
var ErrLost = errLost

// The scripts, whole and as Redis is asked for them.
var (
	ClaimText, LeaveText, BeatText = commonLua + claimLua, commonLua + leaveLua, commonLua + beatLua

	ClaimHash = claimScript.Hash()
	LeaveHash = leaveScript.Hash()
	BeatHash  = beatScript.Hash()

	ForgetHash = forgetScript.Hash()
)
