package llm

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func tmpRedis(t testing.TB) string {
	sock := filepath.Join(t.TempDir(), "r.sock")
	cmd := exec.Command("redis-server", "--port", "0", "--unixsocket", sock, "--save", "")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: sock})
	defer c.Close()
	for c.Ping(context.Background()).Err() != nil {
		time.Sleep(10 * time.Millisecond)
	}
	return sock
}
