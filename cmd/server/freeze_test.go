package main

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestAFrozenConnectionStaysAndAnswersNothing until it is let go on: deadlines hold meanwhile, and closing it frees
// what waits.
func TestAFrozenConnectionStaysAndAnswersNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		f := newFreezer()
		conn, answer := f.lead(near), make([]byte, 8)
		f.freeze(true)
		f.freeze(true) // as of a button that is pressed twice

		if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("ping")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("writing while frozen: %v", err)
		}
		if err := conn.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		wrote := make(chan error, 1)
		go func() { _, err := conn.Write([]byte("ping")); wrote <- err }()
		time.Sleep(time.Hour)
		f.freeze(false)
		if n, err := far.Read(answer); err != nil || string(answer[:n]) != "ping" || <-wrote != nil {
			t.Errorf("after it: %q, %v", answer[:n], err)
		}

		f.freeze(true)
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = far.Write([]byte("pong")) }()
		if n, err := conn.Read(answer); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading while frozen: %d bytes, %v", n, err)
		}
		if err := conn.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go func() { _, err := conn.Write([]byte("ping")); wrote <- err }()
		synctest.Wait()
		if err := conn.Close(); err != nil || !errors.Is(<-wrote, net.ErrClosed) {
			t.Errorf("closing: %v", err)
		}
	})
}
