package vendorsim

import (
	"cmp"
	"errors"
	"time"
)

// kindContract is the kind of a fault with another contract. It ends like every fault, and then the configuration's
// contract applies again. So a client can end it without knowing that contract.
const kindContract = "contract"

// validateContract reports fields that a fault of kind contract must not have, or lacks.
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

// regrantLocked applies the current contract: that of the latest fault with a contract, else that of the configuration.
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
