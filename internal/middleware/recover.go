package middleware

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/gin-gonic/gin"
)

// ErrPanic is the error that Fail gets when a handler panicked. It says nothing about the panic, which is in the log.
var ErrPanic = errors.New("internal error")

// Recover turns a panic into an answer without details, and logs the panic once, with its stack. When the answer has
// begun, the connection is closed instead, so that the client cannot take half an answer for a whole one. A panic with
// http.ErrAbortHandler, with which a handler closes the connection itself, passes through.
func Recover(log *slog.Logger, fail Fail) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like this too
				panic(p)
			}
			log.ErrorContext(c.Request.Context(), "panic", slog.String("panic", fmt.Sprint(p)),
				slog.String("stack", string(debug.Stack())))
			if c.Writer.Written() {
				in := info(c)
				in.Reason, in.Status = "internal", http.StatusInternalServerError
				panic(http.ErrAbortHandler)
			}
			fail(c, ErrPanic)
		}()
		c.Next()
	}
}
