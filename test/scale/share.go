package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spillway-dev/spillway/internal/llm/quota"
)

// shares prints what a pod may do while Redis is away, by the number of calls in the contract for each pod.
func shares(w io.Writer) error {
	fmt.Fprintf(w, "Contract per %v, queue timeout %v, LLM_QUOTA_SHARES = number of pods.\n\n", size.Window, size.Queue)
	fmt.Fprintln(w, "| calls per pod and window | one call of a pod every | all pods together use |\n|---:|---:|---:|")
	for _, tenths := range []int{5, 10, 15, 20, 30, 50, 100, 200, 500, 1000} {
		cfg := quota.Config{Requests: size.Pods * tenths / 10, Window: size.Window, Shares: size.Pods}
		m, err := quota.NewModel(cfg, size.Queue, time.Now)
		if err != nil {
			return err
		}
		own := float64(tenths) / 10
		every := m.ShareInterval()
		if every == 0 {
			fmt.Fprintf(w, "| %.1f | never | 0 %% |\n", own)
			continue
		}
		used := float64(size.Window) / float64(every) / own
		fmt.Fprintf(w, "| %.1f | %v | %.0f %% |\n", own, every.Round(100*time.Millisecond), 100*used)
	}
	return nil
}
