package sim

import (
	"testing"
	"time"
)

// The contract holds with leases when the interval knows their length, and does not when it does not.
func TestLeasesKeepTheContract(t *testing.T) {
	t.Parallel()
	size := short()
	size.Pods, size.Queue = 10, 0 // so that they use what they lease, and nobody waits
	for _, starts := range []int{1, 2, 5} {
		l := Lease{Size: size, Starts: starts, Length: time.Second, Load: 3, Hoard: true}
		if r := l.Run(); r.RequestViolations > 0 || r.Use < 0.5 {
			t.Errorf("leases of %d: %d windows with too much in them, %.3f of the contract is used", starts, r.RequestViolations, r.Use)
		}
		l.forget = true
		if r := l.Run(); r.RequestViolations == 0 {
			t.Errorf("leases of %d, their length forgotten: not noticed, the fullest window holds %.3f of the contract", starts, r.Fullest)
		}
	}
}
