package prove

import (
	"sync"
	"time"

	"gonum.org/v1/plot/plotter"
)

// sampleEvery is the time between two samples of the pod's memory.
const sampleEvery = 100 * time.Millisecond

// memorySample is the memory of the pod at a time, in bytes.
type memorySample struct {
	at                   time.Time
	resident, most, held int64
}

type memorySamples []memorySample

// watchMemory takes samples until the returned func is called, which returns them.
func watchMemory(pod *Pod) (stop func() memorySamples) {
	var all memorySamples
	end := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			resident, most := residentMemory(pod)
			all = append(all, memorySample{time.Now(), resident, most, int64(pod.Metric("llm_memory_used_bytes"))})
			select {
			case <-end:
				return
			case <-tick.C:
			}
		}
	})
	return func() memorySamples {
		close(end)
		watch.Wait()
		return all
	}
}

// residentMemory returns the resident memory of the pod, now and at its highest. It is 0 when the process has ended.
func residentMemory(pod *Pod) (now, most int64) {
	now, _ = pod.Memory("VmRSS")
	most, _ = pod.Memory("VmHWM")
	return now, most
}

func (all memorySamples) peak() (most int64) {
	for _, one := range all {
		most = max(most, one.most)
	}
	return most
}

func (all memorySamples) panels(began time.Time) []Panel {
	draw := func(pick func(memorySample) int64) (points plotter.XYs) {
		for _, one := range all {
			points = append(points, plotter.XY{X: one.at.Sub(began).Seconds(), Y: float64(pick(one)) / (1 << 20)})
		}
		return points
	}
	until := all[len(all)-1].at.Sub(began).Seconds()
	return []Panel{{Y: "MiB", Series: []Series{
		{Name: "limit of the pod", Color: red, Dashed: true, Points: level(podMemory>>20, until)},
		{Name: "resident memory", Color: black, Points: draw(func(m memorySample) int64 { return m.resident })},
		{Name: "bodies and answers in the budget", Color: blue,
			Points: draw(func(m memorySample) int64 { return m.held })},
	}}}
}
