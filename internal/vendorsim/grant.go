package vendorsim

import (
	"cmp"
	"errors"
	"time"
)

// kindContract is the fault that grants another contract. It ends as every fault does, and then the configuration's
// contract is in force again. Ending it needs no knowledge of what that was.
const kindContract = "contract"

// validateContract reports what a fault of kind contract has that it cannot have, or lacks.
func (f Fault) validateContract() error {
	switch {
	case (f.Kind == kindContract) != (f.Contract != nil):
		return errors.New("kind contract, and no other, needs a contract")
	case f.Contract == nil:
		return nil
	case f.Model+f.Path+f.Key != "" || f.Calls > 0 || f.Probability > 0 || f.Delay > 0:
		return errors.New("kind contract is for all calls: it has a contract, and for, and nothing else")
	}
	return f.Contract.Validate()
}

// regrantLocked brings the contract into force that holds now: that of the latest fault which has one, or else that of
// the configuration.
func (s *Sim) regrantLocked() {
	granted := s.cfg.Contract
	for _, f := range s.faults {
		if f.Kind == kindContract {
			granted = *f.Contract
		}
	}
	if granted.Requests > 0 || granted.Tokens > 0 {
		granted.Window = cmp.Or(granted.Window, Duration(time.Minute))
	}
	if granted != s.contract.Window().Contract {
		s.contract.Set(granted)
	}
}
