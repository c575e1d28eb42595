package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// slots prints where a Cluster would keep the keys that the service has made.
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
	fmt.Fprintf(w, "%d users have their keys in %d slots; the busiest of 3 masters has %.0f %% of them (a third "+
		"would be 33), the busiest of 16 has %.0f %% (6).\n",
		count, len(ofUsers), share(perMaster[0][:], count), share(perMaster[1][:], count))
	fmt.Fprintf(w, "The keys of the vendor are in %d slot:", len(ofVendor))
	for slot, names := range ofVendor {
		slices.Sort(names)
		fmt.Fprintf(w, " %d (`%s`)", slot, strings.Join(names, "`, `"))
	}
	fmt.Fprintln(w, ".")
	return nil
}

// share is that of the busiest, in percent.
func share(counts []int, all int) float64 {
	return 100 * float64(slices.Max(counts)) / float64(max(1, all))
}
