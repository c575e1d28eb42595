package main

import (
	"runtime/debug"
	"strings"
)

// limitedGOGC is the GOGC value under a memory limit: the heap may grow to five times the live data before a
// collection, which saves most of the collector's work. The memory limit bounds the heap: near the limit the collector
// runs more often.
const limitedGOGC = 400

// setGC makes the garbage collector run less often when GOMEMLIMIT bounds the heap and GOGC is not set. Without a limit
// Go's default stays, because nothing else keeps the heap from growing to five times its live size.
func setGC(lookup func(string) (string, bool)) {
	limit, _ := lookup("GOMEMLIMIT")
	if _, chosen := lookup("GOGC"); chosen || limit == "" || strings.EqualFold(limit, "off") {
		return
	}
	debug.SetGCPercent(limitedGOGC)
}
