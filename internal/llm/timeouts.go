package llm

import "context"

// Causes of a context's end, one for each timeout, so that no two can be mistaken for each other. Each wraps
// context.DeadlineExceeded.
var (
	ErrQueueTimeout = timeoutCause("queue timeout: the gates could not be passed in time")
	ErrCallTimeout  = timeoutCause("call timeout: the vendor did not answer in time")
	ErrFirstEvent   = timeoutCause("first event timeout: the vendor did not begin its stream in time")
	ErrStreamIdle   = timeoutCause("stream idle: the vendor sent nothing for longer than STREAM_IDLE")
	ErrStreamMax    = timeoutCause("stream length: the stream went on for longer than STREAM_MAX")
)

type timeoutError struct{ text string }

func timeoutCause(text string) error { return &timeoutError{text} }

func (e *timeoutError) Error() string { return e.text }
func (e *timeoutError) Unwrap() error { return context.DeadlineExceeded }
func (e *timeoutError) Timeout() bool { return true }
