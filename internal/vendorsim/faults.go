package vendorsim

import (
	"cmp"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spillway-dev/spillway/internal/vendorsim/script"
)

// AddFault makes the vendor fail in one more way from now on.
func (s *Sim) AddFault(f Fault) error { return s.addFaults([]Fault{f}, false) }

// SetFaults makes the vendor fail in these ways and no others from now on.
func (s *Sim) SetFaults(faults ...Fault) error { return s.addFaults(faults, true) }

// addFaults adds all of the faults, or none when one is invalid.
func (s *Sim) addFaults(faults []Fault, instead bool) error {
	added := make([]*Fault, 0, len(faults))
	for _, f := range faults {
		if err := f.validate(); err != nil {
			return err
		}
		if f.Kind == "status" {
			f.Status = cmp.Or(f.Status, http.StatusInternalServerError)
		}
		if f.For > 0 {
			f.until = time.Now().Add(time.Duration(f.For))
		}
		added = append(added, &f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if instead {
		s.faults = nil
	}
	s.faults = append(s.faults, added...)
	s.regrantLocked()
	return nil
}

// ClearFaults ends all faults. Calls that hang because of one go on hanging, as they would at a vendor that recovered.
func (s *Sim) ClearFaults() { _ = s.SetFaults() }

// Faults is a copy of the faults in effect, with the calls and the time that each has left.
func (s *Sim) Faults() []Fault {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLocked(now)
	faults := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		left := *f
		if !f.until.IsZero() {
			left.For = Duration(f.until.Sub(now))
		}
		faults = append(faults, left)
	}
	return faults
}

func (s *Sim) expireLocked(now time.Time) {
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return !f.until.IsZero() && !now.Before(f.until) })
	s.regrantLocked()
}

// target has the parts of a call that a fault can select.
type target struct{ model, path, key string }

// applies reports whether the fault is for calls such as t.
func (f *Fault) applies(t target) bool {
	return matches(f.Model, t.model) && matches(f.Path, t.path) && matches(f.Key, t.key)
}

// matches reports whether s matches a pattern, in which * stands for any text. An empty pattern matches everything.
func matches(pattern, s string) bool {
	if pattern == "" {
		return true
	}
	ok, _ := path.Match(flat(pattern), flat(s))
	return ok
}

// flat replaces slashes, because * of path.Match does not match them.
func flat(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

// faultLocked returns the fault of a call that arrives now, with an empty kind for none, and the sum of the delays of
// all faults that apply.
func (s *Sim) faultLocked(now time.Time, t target) (met Fault, delay time.Duration) {
	if len(s.faults) == 0 {
		return Fault{}, 0
	}
	s.expireLocked(now)
	var used []*Fault
	for _, f := range s.faults {
		if f.Kind == kindContract || !f.applies(t) || f.Probability > 0 && s.random.Float64() >= f.Probability {
			continue
		}
		met, delay = *f, delay+time.Duration(f.Delay)
		if f.Calls == 1 {
			used = append(used, f)
		}
		f.Calls = max(0, f.Calls-1)
		if f.Kind != "slow" {
			break
		}
	}
	s.faults = slices.DeleteFunc(s.faults, func(f *Fault) bool { return slices.Contains(used, f) })
	if met.Name != "" {
		named, _ := script.Find(met.Name) // it was valid when it was added
		met.Answer = &named.Answer
	}
	return met, delay
}
