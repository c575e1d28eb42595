// Package dashboard evaluates every query of the Grafana dashboard in a real Prometheus. It has scraped a real pod
// during all that the panels show: refusals, retries, pauses, failovers, jobs, streams, and a Redis that is away.
//
//	pod, two simulated vendors, Redis ──scraped by──▶ Prometheus ◀──queries── the panels
//
//	dashboard_test.go   that each query and each variable returns data, for all lanes and for those that are chosen
//	panels_test.go      the panels and variables, as they are in the file
//	story_test.go       what happens to the pod, one stage after the other
//	pod_test.go         the pod, its vendors and its clients
//	prometheus_test.go  starts Prometheus, and queries it
//
// Prometheus must be in PATH. A test that does not find it fails and explains how to install it.
package dashboard
