// Package redisx is the service's way to Redis. It keeps Redis's troubles away from requests: every command has a short
// budget, and when Redis fails it is skipped without waiting until a probe in the background finds it well again.
//
//	Client.Do -> guard: away? -> skip at once      guard.go
//	          -> a pooled connection, or a shared pipeline when many commands are under way    client.go
package redisx

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Config says where Redis is and how long it may take.
type Config struct {
	URL     string        `split_words:"true" desc:"redis://[user:password@]host:port[/db], or rediss:// for TLS; further hosts as ?addr=host:port. Required." secret:"true"`
	Master  string        `split_words:"true" desc:"Name of the Sentinel master. When set, the hosts of REDIS_URL are Sentinels."`
	Cluster bool          `split_words:"true" default:"false" desc:"REDIS_URL leads to a Redis Cluster."`
	Budget  time.Duration `split_words:"true" default:"50ms" desc:"Time one command may take before it counts as failed. After three failures in a row Redis is skipped until it is back."`
	Pool    int           `split_words:"true" default:"32" desc:"Connections to Redis at most, to each node."`
}

// Validate reports every value that makes no sense.
func (c Config) Validate() error {
	var errs []error
	if _, err := c.options(); err != nil {
		errs = append(errs, err)
	}
	if c.Master != "" && c.Cluster {
		errs = append(errs, errors.New("REDIS_MASTER and REDIS_CLUSTER are both set: a Redis is watched by Sentinels or is a Cluster, not both"))
	}
	if c.Budget <= 0 {
		errs = append(errs, fmt.Errorf("REDIS_BUDGET is %v: use a positive duration such as 50ms", c.Budget))
	}
	if c.Pool < 1 {
		errs = append(errs, fmt.Errorf("REDIS_POOL is %d: use at least 1", c.Pool))
	}
	return errors.Join(errs...)
}

// options translates the configuration. Redis has the budget and no more: a command is never repeated by the client
// library, because a script that was sent may have run.
func (c Config) options() (*redis.UniversalOptions, error) {
	if c.URL == "" {
		return nil, errors.New("REDIS_URL is missing: set it to redis://host:port")
	}
	u, err := redis.ParseClusterURL(c.URL) // the one parser of the library that takes several hosts
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL cannot be read: use redis://[user:password@]host:port[/db][?addr=host:port]")
	}
	db := 0
	if !c.Cluster {
		if single, err := redis.ParseURL(c.URL); err == nil {
			db = single.DB
		}
	}
	o := &redis.UniversalOptions{
		Addrs: u.Addrs, DB: db, Username: u.Username, Password: u.Password, TLSConfig: u.TLSConfig,
		MasterName: c.Master, IsClusterMode: c.Cluster,
		MaxRetries: -1, DialerRetries: 1, MaxRedirects: 3,
		DialTimeout: max(c.Budget, minDial), ReadTimeout: c.Budget, WriteTimeout: c.Budget, PoolTimeout: c.Budget,
		PoolSize: c.Pool, MinIdleConns: 1, ConnMaxIdleTime: 5 * time.Minute,
		ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, PipelineReadBufferSize: 32 << 10, PipelineWriteBufferSize: 32 << 10,
	}
	return o, nil
}

// minDial is the least time a new connection gets: a TLS handshake across zones does not fit the budget of a command.
const minDial = 200 * time.Millisecond
