package vendorsim

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// Fault is one way to fail. Faults apply to a call in the order in which they were added: slow ones add up, and the
// first other one that applies decides.
type Fault struct {
	Kind         string         `json:"kind"`             // one of Kinds
	Status       int            `json:"status"`           // of kind status; zero means 500
	RetryAfter   Duration       `json:"retry_after"`      // sent as Retry-After, in whole seconds, with kind status
	RetryAfterMS int            `json:"retry_after_ms"`   // sent as retry-after-ms, with kind status
	Delay        Duration       `json:"delay"`            // added to the latency, with any kind
	Chunks       int            `json:"chunks"`           // of a stream, sent before kinds cut and stall act
	Name         string         `json:"name"`             // of an answer of the catalogue, with kind answer
	Answer       *script.Answer `json:"answer,omitempty"` // an answer of your own, with kind answer

	Contract *Contract `json:"contract,omitempty"` // in force instead of that of the configuration, with kind contract

	Model string `json:"model"` // applies to calls for models that match, such as "gpt-4o*"; empty means all
	Path  string `json:"path"`  // the same for paths, such as "*/responses"
	Key   string `json:"key"`   // the same for API keys

	Probability float64  `json:"probability"` // that it applies to a call; zero means always
	Calls       int      `json:"calls"`       // number of calls after which it ends; zero means never
	For         Duration `json:"for"`         // time after which it ends; zero means never

	until time.Time
}

// Kinds returns the ways to fail:
//
//	status     answers with Status and an error body
//	answer     plays the answer of the catalogue with this Name, or Answer
//	reset      resets the connection before any byte of an answer
//	hang       never answers
//	slow       answers Delay later
//	cut        closes the connection after Chunks chunks of a stream and before its end, or in the middle of a body
//	stall      stops there, and keeps the connection
//	malformed  answers 200 with a body that is no JSON
//	huge       answers 200 with 32 MiB of JSON
//	contract   grants Contract, for all calls, instead of what the configuration grants
func Kinds() []string {
	return []string{"status", "answer", "reset", "hang", "slow", "cut", "stall", "malformed", "huge", kindContract}
}

func (f Fault) validate() error {
	switch {
	case !slices.Contains(Kinds(), f.Kind):
		return fmt.Errorf("kind %q is none of %q", f.Kind, Kinds())
	case !(f.Probability >= 0 && f.Probability <= 1): // NaN too
		return fmt.Errorf("probability %v is not from 0 to 1", f.Probability)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status %d is not from 200 to 599", f.Status)
	case f.Calls < 0 || f.For < 0 || f.Chunks < 0 || f.Delay < 0 || f.RetryAfter < 0 || f.RetryAfterMS < 0:
		return errors.New("nothing of a fault may be negative")
	case f.Kind == "slow" && f.Delay == 0:
		return errors.New("kind slow needs a delay")
	case (f.Kind == "answer") != (f.Name != "" || f.Answer != nil) || f.Name != "" && f.Answer != nil:
		return errors.New("kind answer, and no other, needs either a name or an answer")
	}
	if err := f.validateContract(); err != nil {
		return err
	}
	for _, pattern := range []string{f.Model, f.Path, f.Key} {
		if _, err := path.Match(flat(pattern), ""); err != nil {
			return fmt.Errorf("%q: %w", pattern, err)
		}
	}
	return f.validateAnswer()
}

func (f Fault) validateAnswer() error {
	if f.Answer != nil {
		return f.Answer.Validate()
	}
	if _, ok := script.Find(f.Name); !ok && f.Name != "" {
		return fmt.Errorf("name %q is none of %q", f.Name, script.Names())
	}
	return nil
}
