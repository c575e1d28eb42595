package redisx

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// open makes a client with the options o. Its connections are those that Through returns.
func (c Config) open(o *redis.UniversalOptions) redis.UniversalClient {
	rdb := redis.NewUniversalClient(o)
	if c.Through == nil {
		return rdb
	}
	if cluster, ok := rdb.(*redis.ClusterClient); ok { // its nodes dial
		cluster.OnNewNode(func(node *redis.Client) { node.AddHook(through(c.Through)) })
	} else {
		rdb.AddHook(through(c.Through))
	}
	return rdb
}

// through is a hook of the client library that replaces the connections that the library makes.
type through func(net.Conn) net.Conn

func (t through) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return t(conn), nil
	}
}

func (through) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (through) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
