// Command load sends requests to the service from inside the cluster, as other pods do. test/e2e controls it over HTTP,
// through the API server:
//
//	/start       begins a load: ?url=…&keep=4&fresh=4&streams=4, each figure a number of clients
//	/stop        ends the load after the requests in flight; the answer is a report
//	/ask         sends one request, ?url=…&prefer=…; the answer is its status and body
//	/flood       sends requests at a rate; the answer is the number of each status:
//	             ?url=…&rate=40&seconds=5&addresses=1&from=0&hosts=1&stream=1&size=…&chunked=1
//	/large       sends bodies at once while readers do not read that model's answers:
//	             ?url=…&bodies=200&size=…&readers=150&model=…
//	/first       asks for one stream, ?url=…; the answer is the time of its first event
//	/unfinished  sends a body that never ends, ?url=…; the answer is the time until the connection is closed
//
// The key comes from API_KEY.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

func main() {
	steer := &steering{key: os.Getenv("API_KEY")}
	http.HandleFunc("/start", steer.start)
	http.HandleFunc("/stop", steer.stop)
	http.HandleFunc("/ask", steer.ask)
	http.HandleFunc("/flood", steer.flood)
	http.HandleFunc("/large", steer.large)
	http.HandleFunc("/first", steer.first)
	http.HandleFunc("/unfinished", steer.unfinished)
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}

// steering is the HTTP server with the running load, if there is one.
type steering struct {
	key string

	mu   sync.Mutex
	load *load
}

func (s *steering) start(w http.ResponseWriter, r *http.Request) {
	clients := numbers(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.load != nil {
		http.Error(w, "a load is running already", http.StatusConflict)
		return
	}
	s.load = begin(r.FormValue("url"), s.key, clients("keep"), clients("fresh"), clients("streams"))
}

func (s *steering) stop(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.load == nil {
		http.Error(w, "no load runs", http.StatusConflict)
		return
	}
	report := s.load.end()
	s.load = nil
	_ = json.NewEncoder(w).Encode(report)
}

func (s *steering) ask(w http.ResponseWriter, r *http.Request) {
	status, body, err := post(r.Context(), http.DefaultClient, r.FormValue("url"), s.key, r.FormValue("prefer"), false)
	answer := map[string]any{"status": status, "body": string(body)}
	if err != nil {
		answer["error"] = err.Error()
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// numbers reads whole numbers of a request; a missing one is 0.
func numbers(r *http.Request) func(name string) int {
	return func(name string) int { n, _ := strconv.Atoi(r.FormValue(name)); return n }
}

func (s *steering) large(w http.ResponseWriter, r *http.Request) {
	number := numbers(r)
	l := large{
		url: r.FormValue("url"), key: s.key, bodies: number("bodies"), size: number("size"), readers: number("readers"),
		readModel: r.FormValue("model"),
		before:    3 * time.Second, within: 20 * time.Second,
	}
	_ = json.NewEncoder(w).Encode(l.run(r.Context()))
}

func (s *steering) flood(w http.ResponseWriter, r *http.Request) {
	number := numbers(r)
	f := flood{
		url: r.FormValue("url"), key: s.key, rate: max(1, number("rate")), seconds: max(1, number("seconds")),
		addresses: number("addresses"), from: number("from"),
		hosts: r.FormValue("hosts") != "", stream: r.FormValue("stream") != "", size: number("size"),
		chunked: r.FormValue("chunked") != "",
	}
	_ = json.NewEncoder(w).Encode(f.run(r.Context()))
}

func (s *steering) first(w http.ResponseWriter, r *http.Request) {
	first, all, err := firstEvent(r.Context(), r.FormValue("url"), s.key)
	answerTimes(w, map[string]float64{"first": first, "all": all}, err)
}

func (s *steering) unfinished(w http.ResponseWriter, r *http.Request) {
	seconds, err := unfinished(r.FormValue("url"), s.key)
	answerTimes(w, map[string]float64{"seconds": seconds}, err)
}

func answerTimes(w http.ResponseWriter, times map[string]float64, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	_ = json.NewEncoder(w).Encode(times)
}
