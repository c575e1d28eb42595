// Package await waits in tests for what another goroutine, process or server brings about, and of which nothing tells
// the test. Where a channel can tell, Value waits on it; where not, True asks again and again.
//
// A wait says nothing about how fast something is. Its limit only keeps a test that would never end from running until
// the limit of go test, so it is generous: machines that test are often busy.
package await

import (
	"fmt"
	"testing"
	"time"
)

// Limit is how long True and Value wait before they fail the test. It is for anything that must happen, on a machine
// that is ten times slower than a quiet one.
const Limit = 2 * time.Minute

// pause is the time between two questions: short beside everything that tests wait for, and long beside a question.
const pause = 5 * time.Millisecond

// True waits until is reports true, and fails the test when it does not. What completes the sentence "waited in vain:
// …".
func True(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	if _, err := Poll(Limit, what, func() (bool, error) { return is(), nil }); err != nil {
		tb.Fatal(err)
	}
}

// Value waits for a value, or the end, of a channel, and fails the test when neither comes.
func Value[T any](tb testing.TB, what string, from <-chan T) (got T) {
	tb.Helper()
	late := time.NewTimer(Limit)
	defer late.Stop()
	select {
	case got = <-from:
	case <-late.C:
		tb.Fatalf("waited in vain: %s", what)
	}
	return got
}

// Poll asks is until it reports true, and returns how long that took. After the limit it returns an error, with the
// last error of is. It is for programs, which have no test to fail.
func Poll(limit time.Duration, what string, is func() (bool, error)) (took time.Duration, err error) {
	for began := time.Now(); ; time.Sleep(pause) {
		done, err := is()
		took = time.Since(began)
		switch {
		case done && err == nil:
			return took, nil
		case took < limit:
		case err != nil:
			return took, fmt.Errorf("waited in vain for %v: %s: %w", limit, what, err)
		default:
			return took, fmt.Errorf("waited in vain for %v: %s", limit, what)
		}
	}
}
