// Package dashboard evaluates every query of the Grafana dashboard in a real Prometheus, which has scraped a real pod
// while it met all that the panels show: refusals, retries, pauses, failovers, jobs, streams, and a Redis that is away.
//
//	pod, two simulated vendors, Redis ──scraped by──▶ Prometheus ◀──queries── the panels
//
//	dashboard_test.go   the panels, and that each query returns data
//	story_test.go       what the pod meets, one stage after the other
//	pod_test.go         the pod, its vendors and its clients
//	prometheus_test.go  starts Prometheus, and asks it
//
// Prometheus comes from the system's package; a test that finds none fails and says how to get it.
package dashboard
