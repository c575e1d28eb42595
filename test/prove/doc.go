// Package prove measures what Spillway promises about many pods. Each scenario starts real server processes, a real
// redis-server and the simulated vendor as judge, offers load, and compares the measured figures with bars.
//
//	scenario.go   what a scenario is, its bars, and the list of all of them
//	cluster.go    pods, Redis, vendor
//	balancer.go   requests go to the ready pods in turn
//	load.go       an open loop of clients: requests come at a fixed rate, whether or not answers do
//	timeline.go   the result of every request, and its time
//	chart.go      pictures; curves.go, panels.go, colors.go: their parts
//	report.go     docs/proofs
//	s01_….go      the scenarios; beside them the parts that only one of them needs
//
// "make prove" runs all of them in full and writes the report; "make test" runs those marked short, smaller.
package prove
