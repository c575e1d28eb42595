// Package redisx is the service's client of Redis. It protects requests from a Redis that fails: every command has a
// short budget. After several failures Redis counts as away: commands are skipped at once, until a probe in the
// background is answered.
//
//	Client.Do       is Redis away? then skip the command                      guard.go
//	  run           scripts that run at the same time share one round trip    share.go, gather.go
//	  judge         count failures; after several of them Redis is away       guard.go, trouble.go
package redisx

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Config holds the address of Redis and the limits of its use.
type Config struct {
	// redis://[user:password@]host:port[/db], or rediss:// for TLS; further hosts, of Sentinels or of a Cluster, as
	// ?addr=host:port. Required.
	URL string `split_words:"true" desc:"redis://[user:password@]host:port[/db], or rediss:// for TLS; further hosts, of Sentinels or of a Cluster, as ?addr=host:port. Required." secret:"true"`
	// File with the URL, in place of REDIS_URL, as Kubernetes mounts it from a Secret. It is followed: a rotated
	// password or another host needs no restart, another database number does.
	URLFile string `split_words:"true" desc:"File with the URL, in place of REDIS_URL, as Kubernetes mounts it from a Secret. It is followed: a rotated password or another host needs no restart, another database number does."`
	// Name of the Sentinel master. When set, the hosts of REDIS_URL are Sentinels.
	Master string `split_words:"true" desc:"Name of the Sentinel master. When set, the hosts of REDIS_URL are Sentinels."`
	// User of the Sentinels, where they have users. Empty means the default user. REDIS_URL has the user of the Redis
	// behind them.
	SentinelUsername string `split_words:"true" desc:"User of the Sentinels, where they have users. Empty means the default user. REDIS_URL has the user of the Redis behind them."`
	// Password of the Sentinels, read at start. Empty means that they ask for none. REDIS_URL has the password of the
	// Redis behind them.
	SentinelPassword string `split_words:"true" desc:"Password of the Sentinels, read at start. Empty means that they ask for none. REDIS_URL has the password of the Redis behind them." secret:"true"`
	// REDIS_URL leads to a Redis Cluster.
	Cluster bool `split_words:"true" default:"false" desc:"REDIS_URL leads to a Redis Cluster."`
	// Time one command may take before it counts as failed. After three failures in a row Redis is skipped until it is
	// back.
	Budget time.Duration `split_words:"true" default:"50ms" desc:"Time one command may take before it counts as failed. After three failures in a row Redis is skipped until it is back."`
	// Connections to Redis at most, to each node.
	Pool int `split_words:"true" default:"32" desc:"Connections to Redis at most, to each node."`
	// Through gets each new connection to Redis and returns the one to use instead; nil: the connection itself.
	Through func(net.Conn) net.Conn `ignored:"true"`
}

// Validate reports every invalid value.
func (c Config) Validate() error {
	var errs []error
	if _, err := c.options(); err != nil {
		errs = append(errs, err)
	}
	if c.Master != "" && c.Cluster {
		errs = append(errs, errors.New("REDIS_MASTER and REDIS_CLUSTER are both set: use Sentinels or a Cluster, "+
			"not both"))
	}
	errs = append(errs, c.validateSentinel())
	if c.Budget <= 0 {
		errs = append(errs, fmt.Errorf("REDIS_BUDGET is %v: use a positive duration such as 50ms", c.Budget))
	}
	if c.Pool < 1 {
		errs = append(errs, fmt.Errorf("REDIS_POOL is %d: use at least 1", c.Pool))
	}
	return errors.Join(errs...)
}

// validateSentinel reports credentials of Sentinels that could not be used.
func (c Config) validateSentinel() error {
	switch {
	case c.SentinelUsername+c.SentinelPassword == "":
		return nil
	case c.Master == "":
		return errors.New("REDIS_SENTINEL_USERNAME or REDIS_SENTINEL_PASSWORD is set, and REDIS_MASTER is not: " +
			"set it if the hosts of REDIS_URL are Sentinels, or remove the others")
	case c.SentinelPassword == "":
		return errors.New("REDIS_SENTINEL_USERNAME is set, and REDIS_SENTINEL_PASSWORD is not: set it, " +
			"or remove the user")
	case strings.ContainsAny(c.SentinelPassword, "\r\n"):
		return errors.New("REDIS_SENTINEL_PASSWORD holds a line break: remove it. " +
			"A newline at the end of a Secret is the usual reason")
	}
	return nil
}

// errURL does not repeat the URL, which may hold a password.
var errURL = errors.New("REDIS_URL cannot be read: use redis://[user:password@]host:port[/db][?addr=host:port]")

// options translates the configuration for the client library. A command has the budget, and the library never repeats
// it, because a script that was sent may have run. Redirects of a Cluster are not followed for the same reason: the
// library uses their number also for repeats after a timeout. When a slot moves, one or two commands fail until the
// library has read the new map of slots.
func (c Config) options() (*redis.UniversalOptions, error) {
	switch {
	case c.URLFile != "" && c.URL != "":
		return nil, errors.New("REDIS_URL and REDIS_URL_FILE are both set: use one of them")
	case c.URLFile != "":
		text, err := readURL(c.URLFile)
		if err != nil {
			return nil, err
		}
		c.URL = text
	}
	if c.URL == "" {
		return nil, errors.New("REDIS_URL is missing: set it to redis://host:port")
	}
	u, err := redis.ParseClusterURL(c.URL) // the only parser of the library that accepts several hosts
	if err != nil {
		return nil, errURL
	}
	db, err := database(c.URL)
	if err != nil {
		return nil, err
	}
	if db != 0 && c.Master == "" && (c.Cluster || len(u.Addrs) > 1) {
		return nil, fmt.Errorf("REDIS_URL has the database number %d, and a Redis Cluster has database 0 only: remove "+
			"the number, or set REDIS_MASTER if the hosts are Sentinels", db)
	}
	o := &redis.UniversalOptions{
		Addrs: u.Addrs, DB: db, Username: u.Username, Password: u.Password, TLSConfig: u.TLSConfig,
		MasterName: c.Master, IsClusterMode: c.Cluster,
		SentinelUsername: c.SentinelUsername, SentinelPassword: c.SentinelPassword,
		// With protocol 3 the library looks for push messages before every reply. Only pub/sub needs them here.
		Protocol:   2,
		MaxRetries: -1, DialerRetries: 1, MaxRedirects: -1,
		DialTimeout: dialTimeout(c.Budget), ReadTimeout: c.Budget, WriteTimeout: c.Budget, PoolTimeout: c.Budget,
		PoolSize: c.Pool, MinIdleConns: 1, ConnMaxIdleTime: 5 * time.Minute,
		ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, PipelineReadBufferSize: 32 << 10,
		PipelineWriteBufferSize: 32 << 10,
	}
	return o, nil
}

// database is the number in the path of a URL; 0 without one. The library has it only for URLs with a single host. The
// error does not repeat the path: with a / in a password, the path has the rest of the password.
func database(text string) (int, error) {
	u, err := url.Parse(text)
	if err != nil {
		return 0, errURL
	}
	path := strings.Trim(u.Path, "/")
	if path == "" {
		return 0, nil
	}
	db, err := strconv.ParseUint(path, 10, 31)
	if err != nil {
		return 0, errors.New("REDIS_URL has a path that is no database number: use redis://host:port/2, or leave the " +
			"path out; write a / in a password as %2F")
	}
	return int(db), nil
}

// dialTimeout is the time limit of a new connection. It is longer than the budget of a command, because a TLS handshake
// across zones may need more. Requests seldom wait for a new connection.
func dialTimeout(budget time.Duration) time.Duration { return max(budget, 200*time.Millisecond) }
