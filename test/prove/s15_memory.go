package prove

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spillway-dev/spillway/internal/await"
	"github.com/spillway-dev/spillway/internal/vendorsim"
)

var memoryIsBounded = scenario{
	file: "memory", title: "More bytes than a pod has", run: runMemory,
	claim: "At the same time, 150 clients ask for answers of 3 MB and do not read them, and 200 clients send bodies " +
		"of 10 MB, all to one pod with a limit of 256 MiB. The pod stays under its limit, serves what fits, " +
		"tells the other clients to come later, and is not killed.",
}

// The memory limit of the chart's pod, and the GOMEMLIMIT that the chart derives from it.
const (
	podMemory  = 256 << 20
	goMemLimit = podMemory / 5 * 4
)

func runMemory(s *Stage) {
	const readers, senders = 150, 200
	c := NewCluster(s, vendorsim.Config{}, "LLM_VENDOR_URL="+largeVendor(s), "LLM_QUOTA_TOKENS=0",
		"LLM_WRITE_TIMEOUT=2s", "LLM_READ_TIMEOUT=1m",
		"LLM_ADMISSION_MAX=1000", env("GOMEMLIMIT", goMemLimit))
	pod := c.Start(1)[0]
	began := time.Now()
	watch := watchMemory(pod)
	for i := range readers {
		askAndDoNotRead(s, pod, i)
	}
	got := sendLargeBodies(pod, senders)
	s.chart.Mark(time.Since(began), "all bodies are answered")
	c.eventually("no request is in the pod", func() bool { return pod.Metric("llm_http_in_flight") == 0 })
	s.chart.Mark(time.Since(began), "the readers are cut")
	inUse, held := pod.Metric("llm_slots_in_use"), pod.Metric("llm_memory_used_bytes")
	after := postBody(pod, senders, "short")
	samples := watch()

	known := got["200"] + got["503"] + got["429"]
	s.Check(known == senders, "bodies that were served or told to come later", figure(senders), known)
	s.Check(got["200"] > 0, "bodies that were served", "some", got["200"])
	s.Check(samples.peak() < podMemory, "most resident memory", "under 256 MiB",
		fmt.Sprintf("%d MiB", samples.peak()>>20))
	s.Check(inUse == 0 && held == 0, "slots and bytes in use afterwards", "0 and 0",
		fmt.Sprintf("%v and %v", inUse, held))
	s.Check(after == "200", "a request afterwards", "200", after)
	s.Note("The bodies were answered %v. GOMEMLIMIT was %d MiB, the memory budget half of that. Resident memory was "+
		"sampled every %v; its highest value comes from the kernel.", got, goMemLimit>>20, sampleEvery)
	s.chart.Panels = samples.panels(began)
}

// largeVendor answers a short question with 3 MB of unknown length, and a large body with a few bytes.
func largeVendor(s *Stage) (url string) {
	answer := `{"choices":[{"message":{"content":"` + strings.Repeat("x", 3<<20) + `"}}]}`
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		n, _ := io.Copy(io.Discard, r.Body)
		if n > 1<<20 {
			_, _ = io.WriteString(w, `{}`)
			return
		}
		_, _ = io.WriteString(w, answer)
	}))
	s.Cleanup(func() { vendor.CloseClientConnections(); vendor.Close() })
	return vendor.URL
}

func question(text string) string {
	return `{"model":"m","messages":[{"role":"user","content":"` + text + `"}]}`
}

// askAndDoNotRead sends a question over a connection with a tiny receive buffer.
func askAndDoNotRead(s *Stage, pod *Pod, i int) {
	s.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(pod.URL, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	body := question("short")
	fmt.Fprintf(conn, "POST /llm HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: "+
		"application/json\r\nContent-Length: %d\r\n\r\n%s",
		user("pro", i), len(body), body)
}

// sendLargeBodies sends n bodies of 10 MB at once and counts the statuses.
func sendLargeBodies(pod *Pod, n int) map[string]int {
	large := strings.Repeat("word ", 2<<20)
	var mu sync.Mutex
	got := map[string]int{}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			status := postBody(pod, i, large)
			mu.Lock()
			defer mu.Unlock()
			got[status]++
		})
	}
	all.Wait()
	return got
}

// postBody makes one call and returns its status, or the error. It sends the body when the pod asks for it.
func postBody(pod *Pod, i int, text string) string {
	req, err := http.NewRequest(http.MethodPost, pod.URL+"/llm", strings.NewReader(question(text)))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+user("enterprise", i))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Expect", "100-continue")
	transport := &http.Transport{ExpectContinueTimeout: await.Limit}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return strconv.Itoa(res.StatusCode)
}
