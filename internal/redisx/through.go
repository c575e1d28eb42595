package redisx

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// open makes a client with the options o. Its connections are those that Through returns. The library's dial hooks
// would miss some: a new client connects in the background at once, before it can be given a hook.
func (c Config) open(o *redis.UniversalOptions) redis.UniversalClient {
	if c.Through != nil {
		dial := o.Dialer
		if dial == nil {
			dial = redis.NewDialer(&redis.Options{DialTimeout: o.DialTimeout, TLSConfig: o.TLSConfig})
		}
		o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return c.Through(conn), nil
		}
	}
	return redis.NewUniversalClient(o)
}
