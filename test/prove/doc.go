// Package prove measures what Spillway promises about many pods. Each scenario starts real server processes, a real
// redis-server and the simulated vendor as judge, offers load, and holds what it measured against a bar.
//
//	scenario.go   what a scenario is, its bars, and the list of all of them
//	cluster.go    pods, Redis, vendor
//	balancer.go   which pod gets a request: the ready ones in turn
//	load.go       an open loop of clients: they come at their rate, whether or not the answers do
//	timeline.go   what every request got, and when
//	chart.go      the pictures
//	memorywatch.go what a pod holds, over the time
//	report.go     docs/proofs
//	s01_….go      the scenarios
//
// "make prove" runs all of them in full and writes the report; "make test" runs those marked short, smaller.
package prove
