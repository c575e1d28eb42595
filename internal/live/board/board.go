// Package board is where the pods of a service leave their figures for the live page, in Redis:
//
//	llm:{NAME:live}:wanted     there while a page shows all pods
//	llm:{NAME:live}:pods       the pods that have left figures, by the time they did
//	llm:{NAME:live}:pod:ID     the figures of one pod
//
// Every key expires some seconds after it was written last. The package knows nothing of what the figures are.
package board

import (
	"context"
	_ "embed" // the script
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spillway-dev/spillway/internal/redisx"
)

// Bounds of what is left.
const (
	keptFor  = 5 * time.Second // that figures and wishes are kept
	mostPods = 200             // other pods whose figures are read; of more, those that came last
)

//go:embed board.lua
var script string

// Board leaves the figures of one pod and reads those of all. It is safe for concurrent use.
type Board struct {
	rdb    *redisx.Client
	root   string // of the keys
	pod    string
	script *redis.Script
}

// New returns the board of the service called name for a pod. Two pods must not have the same ID.
func New(rdb *redisx.Client, name, podID string) *Board {
	return &Board{rdb: rdb, root: "llm:{" + name + ":live}:", pod: podID, script: redis.NewScript(script)}
}

// Wanted reports whether a page of any pod shows all pods.
func (b *Board) Wanted(ctx context.Context) (wanted bool, err error) {
	err = b.rdb.Do(ctx, func(ctx context.Context, r redis.Cmdable) error {
		n, err := r.Exists(ctx, b.root+"wanted").Result()
		wanted = n > 0
		return err
	})
	return wanted, err
}

// Exchange leaves the figures of this pod; none when they are empty. With want it asks the other pods for theirs, and
// returns what they have left, and how many pods have left something, this one too.
func (b *Board) Exchange(ctx context.Context, figures []byte, want bool) (others [][]byte, pods int, err error) {
	err = b.rdb.Do(ctx, func(ctx context.Context, r redis.Cmdable) error {
		keys := []string{b.root + "pods", b.root + "wanted", b.root + "pod:" + b.pod}
		found, err := b.script.Run(ctx, r, keys, b.pod, figures, want, keptFor.Milliseconds(), mostPods).StringSlice()
		if err != nil || len(found) == 0 {
			return err
		}
		if pods, err = strconv.Atoi(found[0]); err != nil {
			return err
		}
		others = make([][]byte, len(found)-1)
		for i, one := range found[1:] {
			others[i] = []byte(one)
		}
		return nil
	})
	return others, pods, err
}
