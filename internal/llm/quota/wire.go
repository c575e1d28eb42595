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

// scriptArgs returns the arguments of quota.lua: the requests of batch, and the report r when it is not nil.
func scriptArgs(batch []*entry, r *report) []any {
	text := make([]byte, 0, 24*len(batch))
	for _, e := range batch {
		text = e.append(text)
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
	if r.local != 0 {
		const currentSlice = 0 // for quota.lua the slice that is current when it runs
		list = append(list, currentSlice, r.local)
	}
	return list
}

// parseRulings decodes what quota.lua returns: a ruling for each request of batch, and the state that they share.
func parseRulings(text string, batch []*entry) (err error) {
	rest := text
	for _, e := range batch {
		v := &e.ruling
		var admitted, why int64
		if rest, err = cutInts(rest, &admitted, &v.delay, &v.mark, &v.slice, &v.cost, &why); err != nil {
			return err
		}
		v.admitted, v.why = admitted == 1, rule(why)
	}
	var all ruling
	if _, err = cutInts(rest, &all.generation, &all.total, &all.remaining, &all.requests, &all.tokens); err != nil {
		return err
	}
	for _, e := range batch {
		v := &e.ruling
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
