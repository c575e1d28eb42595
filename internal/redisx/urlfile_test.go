package redisx_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/redistest"
	"github.com/spillway-dev/spillway/internal/redisx"
)

// TestURLFileIsFollowed: the file changes to another password and then to another Redis. Requests and background work
// follow it, and no command fails. A file without a valid URL changes nothing.
func TestURLFileIsFollowed(t *testing.T) {
	t.Parallel()
	first, second := redistest.Start(t), redistest.Start(t)
	path := filepath.Join(t.TempDir(), "url")
	write := func(url string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(url+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	admin := first.Client()
	for _, rule := range []string{">old", ">new"} { // both are good while the one follows the other
		if err := admin.ACLSetUser(t.Context(), "app", "on", rule, "~*", "&*", "+@all").Err(); err != nil {
			t.Fatal(err)
		}
	}
	write("redis://app:old@" + first.Addr())
	c, err := redisx.New(redisx.Config{URLFile: path, Budget: 5 * time.Second, Pool: 4}, slog.New(slog.DiscardHandler),
		prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	background, err := c.Patient()
	if err != nil {
		t.Fatal(err)
	}
	defer background.Close()
	use := func() {
		t.Helper()
		if err := c.Do(t.Context(), func(ctx context.Context,
			r redis.Cmdable) error {
			return r.Incr(ctx, "used").Err()
		}); err != nil {
			t.Fatalf("a request: %v", err)
		}
		if err := background.Incr(t.Context(), "background").Err(); err != nil {
			t.Fatalf("background: %v", err)
		}
	}
	use()
	connectionsBefore := func() string { return admin.Info(t.Context(), "stats").Val() }()
	write("redis://app:new@" + first.Addr())
	await.True(t, "connections are made anew", func() bool {
		use()
		return received(admin.Info(t.Context(), "stats").Val()) >= received(connectionsBefore)+2
	})
	if err := admin.ACLSetUser(t.Context(), "app", "<old").Err(); err != nil { // the rotation is over
		t.Fatal(err)
	}
	use()
	write("not a URL")
	use()
	updates := c.Redis().Subscribe(t.Context(), "channel")
	defer updates.Close()
	messages := updates.Channel()
	write("redis://" + second.Addr())
	await.True(t, "the other Redis is used", func() bool {
		use()
		n, _ := second.Client().Exists(t.Context(), "used", "background").Result()
		return n == 2
	})
	await.True(t, "a subscription has moved", func() bool {
		return second.Client().Publish(t.Context(), "channel",
			"hello").Val() > 0
	})
	if m := await.Value(t, "a message", messages); m.Payload != "hello" {
		t.Errorf("received %v", m)
	}
	if c.Away() {
		t.Error("Redis was taken for away")
	}
}

// TestAnotherDatabaseNumberTakesARestart: the log, at level error, and /readyz?verbose show both numbers. The former
// URL stays in use. A valid URL ends the trouble.
func TestAnotherDatabaseNumberTakesARestart(t *testing.T) {
	t.Parallel()
	server, path := redistest.Start(t), filepath.Join(t.TempDir(), "url")
	write := func(database string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("redis://"+server.Addr()+database), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := make(chan string, 10)
	log := slog.New(slog.NewTextHandler(sendTo(lines), nil))
	write("/3")
	c, err := redisx.New(redisx.Config{URLFile: path, Budget: 5 * time.Second, Pool: 4}, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write("/5")
	line := await.Value(t, "a line of the log", lines)
	for _, want := range []string{
		"level=ERROR", "what was read before stays in force", "from 3 to 5", "restart the pods",
	} {
		if !strings.Contains(line, want) {
			t.Errorf("the log does not say %q: %s", want, line)
		}
	}
	if !strings.Contains(c.Trouble(), "from 3 to 5") {
		t.Errorf("the trouble is %q", c.Trouble())
	}
	if err := c.Do(t.Context(), func(ctx context.Context, r redis.Cmdable) error {
		return r.Set(ctx, "used", 1, 0).Err()
	}); err != nil {
		t.Fatal(err)
	}
	for db, want := range map[int]int64{3: 1, 5: 0} {
		client := redis.NewClient(&redis.Options{Addr: server.Addr(), DB: db})
		if n, err := client.DBSize(t.Context()).Result(); err != nil || n != want {
			t.Errorf("database %d has %d keys, want %d; %v", db, n, want, err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	background, err := c.Patient() // is made while the file has the other number
	if err != nil {
		t.Fatal(err)
	}
	defer background.Close()
	if n, err := background.Exists(t.Context(), "used").Result(); err != nil || n != 1 {
		t.Errorf("background work finds %d keys in its database, %v", n, err)
	}
	write("/3")
	await.True(t, "no trouble", func() bool { return c.Trouble() == "" })
}

// sendTo is a writer that sends each line of a log.
type sendTo chan string

func (s sendTo) Write(line []byte) (int, error) {
	s <- string(line)
	return len(line), nil
}

// received is the number of connections that Redis has accepted.
func received(stats string) (n int) {
	_, rest, _ := strings.Cut(stats, "total_connections_received:")
	for _, digit := range rest {
		if digit < '0' || digit > '9' {
			break
		}
		n = 10*n + int(digit-'0')
	}
	return n
}
