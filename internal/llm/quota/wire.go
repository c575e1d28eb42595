package quota

import (
	"fmt"
	"strconv"
	"strings"
)

// requestKind says what a request wants of quota.lua.
type requestKind int

const (
	foreground requestKind = iota // books a start within the request's wait
	background                    // books a start now, and only when half of the burst is left afterwards
	reportOnly                    // books nothing: the run only carries a report
)

// request is one call in a run of quota.lua.
type request struct {
	kind   requestKind
	tokens int64  // the estimate
	wait   micros // longest wait until the start; only a foreground request has one
}

// scriptArgs returns the arguments of quota.lua: the requests of batch, and r when it is not nil.
func scriptArgs(batch []*attempt, r *report) []any {
	text := make([]byte, 0, 24*len(batch))
	for _, a := range batch {
		text = a.append(text)
	}
	list := append(make([]any, 0, 16), string(text))
	if r != nil {
		list = r.append(list)
	}
	return list
}

// append encodes the request as quota.lua reads it: -1 tokens book nothing, and a wait of -1 marks background work.
func (r request) append(text []byte) []byte {
	tokens, wait := r.tokens, r.wait
	switch r.kind {
	case background:
		wait = -1
	case reportOnly:
		tokens, wait = -1, 0
	case foreground:
	}
	text = append(strconv.AppendInt(text, tokens, 10), ' ')
	return append(strconv.AppendInt(text, wait, 10), ' ')
}

// report is what finished calls have to tell Redis in one run of the script.
type report struct {
	returning   bool         // this pod has booked from its own share and now reaches Redis again
	asleep      int64        // calls of this pod that wait for their start
	pause       micros       // the pause that the vendor asked for, from now; 0 means none
	generation  int64        // of the state in Redis to which marks and slices belong
	estimated   int64        // tokens of the finished calls: the estimates
	used        int64        // and the use
	pace        micros       // correction of the pace of the tokens
	marks       []int64      // of bookings that are refunded
	corrections []correction // of the token ledger, merged by slice
}

// correction changes the tokens of one slice of the ledger.
type correction struct {
	slice, tokens int64
}

// currentSlice, as the slice of a correction, is the slice that is current when the script runs.
const currentSlice = 0

// append encodes the report behind the requests, in the order in which quota.lua reads ARGV.
func (r *report) append(list []any) []any {
	var returning int64
	if r.returning {
		returning = 1 + r.asleep
	}
	list = append(list, returning, r.pause, r.generation, r.estimated, r.used, r.pace, len(r.marks))
	for _, mark := range r.marks {
		list = append(list, mark)
	}
	for _, c := range r.corrections {
		list = append(list, c.slice, c.tokens)
	}
	return list
}

// parseRulings decodes what quota.lua returns: a ruling for each request of batch, and the state that they share.
func parseRulings(text string, batch []*attempt) (err error) {
	rest := text
	for _, a := range batch {
		v := &a.ruling
		if rest, err = cutInts(rest, &v.admitted, &v.delay, &v.mark, &v.slice, &v.cost, &v.why); err != nil {
			return err
		}
	}
	var all ruling
	if _, err = cutInts(rest, &all.generation, &all.total, &all.remaining, &all.requests, &all.tokens); err != nil {
		return err
	}
	for _, a := range batch {
		v := &a.ruling
		v.pause, v.requests, v.tokens = all.pause, all.requests, all.tokens
	}
	return nil
}

// parsePause decodes the message that quota.lua publishes to all pods when a pause begins or grows.
func parsePause(message string) (p pause, err error) {
	_, err = cutInts(message, &p.generation, &p.total, &p.remaining)
	return p, err
}

// cutInts reads integers that are separated by single spaces and returns the text behind them.
func cutInts(text string, into ...*int64) (rest string, err error) {
	rest = text
	for _, field := range into {
		var digits string
		digits, rest, _ = strings.Cut(rest, " ")
		if *field, err = strconv.ParseInt(digits, 10, 64); err != nil {
			return "", fmt.Errorf("reading %q: %w", text, err)
		}
	}
	return rest, nil
}
