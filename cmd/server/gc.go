package main

import (
	"runtime/debug"
	"strings"
)

// calmPercent is the GOGC value used under a memory limit: the heap may grow to five times the live data before a
// collection, which saves most of the collector's work. The limit, not this figure, then bounds the memory: as it comes
// near the collector works as hard as it must.
const calmPercent = 400

// calmGC collects garbage less often when GOMEMLIMIT bounds the heap and GOGC was left to us. Without a limit Go's own
// default stays, because nothing else would stop the heap from growing to five times its live size.
func calmGC(lookup func(string) (string, bool)) {
	limit, _ := lookup("GOMEMLIMIT")
	if _, chosen := lookup("GOGC"); chosen || limit == "" || strings.EqualFold(limit, "off") {
		return
	}
	debug.SetGCPercent(calmPercent)
}
