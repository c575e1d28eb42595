package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// slots prints in which slots a Cluster would keep the service's keys.
func slots(ctx context.Context, w io.Writer, binary string) error {
	s, err := startService(binary, "LLM_QUOTA_REQUESTS=600000000", "LLM_QUOTA_TOKENS=600000000000")
	if err != nil {
		return err
	}
	defer s.stop()
	if _, err := s.load(16, 0, 2*time.Second); err != nil {
		return err
	}
	keys, err := s.redis.rdb.Keys(ctx, "*").Result()
	if err != nil {
		return err
	}
	cluster, err := startRedis("--cluster-enabled", "yes")
	if err != nil {
		return err
	}
	defer cluster.stop()
	const all = 16384
	ofUsers, ofVendor := map[int64]bool{}, map[int64][]string{}
	var perMaster [2][16]int
	count := 0
	for _, k := range keys {
		slot, err := cluster.rdb.ClusterKeySlot(ctx, k).Result()
		switch {
		case err != nil:
			return err
		case strings.Contains(k, "llm:user:"):
			count++
			ofUsers[slot] = true
			perMaster[0][slot*3/all]++
			perMaster[1][slot*16/all]++
		case strings.Contains(k, "{"):
			ofVendor[slot] = append(ofVendor[slot], k)
		}
	}
	fmt.Fprintf(w, "The keys of %d users are in %d slots. With 3 masters the busiest has %.0f %% of them, "+
		"with 16 masters %.0f %%.\n", count, len(ofUsers), share(perMaster[0][:], count), share(perMaster[1][:], count))
	fmt.Fprintf(w, "The keys of the vendor and of the jobs are in these slots:\n\n")
	for _, slot := range slices.Sorted(maps.Keys(ofVendor)) {
		names := ofVendor[slot]
		slices.Sort(names)
		fmt.Fprintf(w, "- %d: `%s`\n", slot, strings.Join(names, "`, `"))
	}
	return nil
}

// share is the part of the busiest master, in percent.
func share(counts []int, all int) float64 {
	return 100 * float64(slices.Max(counts)) / float64(max(1, all))
}
