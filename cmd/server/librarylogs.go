package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel"
)

// routeLibraryLogs sends to our log what libraries would write to standard error. The hooks are globals of the
// libraries, so only the program may set them.
func routeLibraryLogs(log *slog.Logger) {
	gin.SetMode(gin.ReleaseMode)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.LogAttrs(context.Background(), slog.LevelWarn, "traces", slog.Any("error", err))
	}))
	redis.SetLogger(redisLog{log})
}

// redisLog logs go-redis's own lines at debug level: the guard in redisx reports trouble with Redis once.
type redisLog struct{ log *slog.Logger }

func (r redisLog) Printf(ctx context.Context, format string, args ...any) {
	if r.log.Enabled(ctx, slog.LevelDebug) {
		r.log.LogAttrs(ctx, slog.LevelDebug, "go-redis", slog.String("text", fmt.Sprintf(format, args...)))
	}
}
