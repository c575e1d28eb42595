package jobs

import (
	"slices"
	"time"
)

// State is where a job stands.
type State string

// The states. All but the first two are final.
const (
	Queued    State = "queued"
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Poisoned  State = "poisoned" // pods died of it, so it is set aside
)

// States are all of them.
var States = []State{Queued, Running, Succeeded, Failed, Cancelled, Poisoned}

// Final reports whether the job will not change any more.
func (s State) Final() bool { return s.Known() && s != Queued && s != Running }

// Known reports whether s is one of the states.
func (s State) Known() bool { return slices.Contains(States, s) }

// Job is what its owner may see of a job.
type Job struct {
	ID       string
	State    State
	Priority string
	Before   int // jobs that stand before it, about: the queues are weighted, not strict; 0 unless queued
	Failures int // attempts that failed
	// What the operator has to mend before the job can go on, as the code of a problem; "" for nothing.
	WaitingFor string
	Created    time.Time
	Started    time.Time // the last time; zero before
	Ended      time.Time // zero before

	Status      int    // that a synchronous call would have had; 0 before
	ContentType string // of Answer
	Coding      string // Content-Encoding of Answer; "" for none
	Size        int64  // of Answer, in bytes
	Answer      []byte // the vendor's; nil until ReadAnswer
	Problem     []byte // why it failed; empty when Answer says so
}

// HasAnswer reports whether the job has ended with an answer of the vendor's.
func (j *Job) HasAnswer() bool { return j.Status != 0 && len(j.Problem) == 0 }

// jobOf reads what look.lua returns.
func (s *Service) jobOf(id string, f reply) *Job {
	j := &Job{
		ID: id, State: State(f.text("state")), Priority: f.text("class"), Before: int(f.number("before")),
		Failures: int(f.number("failures")), WaitingFor: f.text("waiting"),
		Created: f.time("created"), Started: f.time("started"), Ended: f.time("ended"),
		Status: int(f.number("status")), ContentType: f.text("type"), Coding: f.text("coding"),
		Size: f.number("size"), Problem: []byte(f.text("problem")),
	}
	if j.State == Poisoned { // no pod was left to write the problem down
		j.Status, j.Problem = s.problem(errPoisoned, id)
	}
	return j
}
