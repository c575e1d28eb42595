// Package await waits in tests for something that another goroutine, process or server does. Value waits for a value of
// a channel. Where there is no channel, True polls.
//
// A wait does not check how fast something is. Its limit ends a test that would otherwise run until the limit of go
// test. It is long, because machines that run tests are often busy.
package await

import (
	"fmt"
	"testing"
	"time"
)

// Limit is how long True and Value wait before they fail the test. It is long enough for everything that must happen,
// on a machine that is ten times slower than an idle one.
const Limit = 2 * time.Minute

// pause is the usual time between two calls: much shorter than what tests wait for, and much longer than a call.
const pause = 5 * time.Millisecond

// True waits until is reports true, and fails the test when it does not within Limit. what completes the error "waited
// in vain: …".
func True(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	if _, err := Poll(Limit, what, func() (bool, error) { return is(), nil }); err != nil {
		tb.Fatal(err)
	}
}

// Value waits for a value or the close of a channel, and fails the test when neither comes within Limit.
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

// Poll calls is until it reports true, and returns how long that took. After the limit it returns an error, with the
// last error of is. It is for programs, which have no test to fail.
func Poll(limit time.Duration, what string, is func() (bool, error)) (took time.Duration, err error) {
	return PollEvery(pause, limit, what, is)
}

// PollEvery is Poll with another time between two calls: longer where a call costs much, shorter where it is measured
// how long something takes.
func PollEvery(pause, limit time.Duration, what string, is func() (bool, error)) (took time.Duration, err error) {
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
