package prove

import "sync"

// parallel calls do with 0 to n-1, at most limit calls at a time, and returns when the last one has returned.
func parallel(n, limit int, do func(i int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, limit)
	for i := range n {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			do(i)
		})
	}
	wg.Wait()
}
