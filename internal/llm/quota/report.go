package quota

// report is what finished calls have to tell Redis in one run of the script. wire.go encodes it.
type report struct {
	returning   bool         // this pod has booked from its own share and now reaches Redis again
	asleep      int64        // calls of this pod that wait for their start
	pause       micros       // the pause that the vendor asked for, from now; 0 means none
	generation  int64        // of the state in Redis to which marks and slices belong
	estimated   int64        // tokens of the finished calls, as estimated
	used        int64        // tokens of the finished calls, as used
	pace        micros       // correction of the pace of the tokens
	marks       []int64      // of bookings that are refunded
	corrections []correction // of the token ledger, one for each slice
	local       int64        // tokens that were booked from the share; they go to the slice of the time of the run
}

// correction changes the tokens of one slice of the ledger.
type correction struct {
	slice, tokens int64
}

// maxMarks limits the refunds of one report. Refunds beyond it are lost, which counts too much rather than too little.
const maxMarks = 256

// refund gives back the booking of a call that was not made.
func (r *report) refund(b *booking) {
	if !r.accepts(b.generation) {
		return
	}
	if len(r.marks) < maxMarks {
		r.marks = append(r.marks, b.mark)
	}
	r.correct(b.slice, -b.tokens)
	r.pace -= b.cost
}

// settle replaces the estimate of a finished call by the tokens that it used.
func (r *report) settle(b *booking, used int64, pace micros) {
	if !r.accepts(b.generation) {
		return
	}
	r.estimated += b.tokens
	r.used += used
	r.pace += pace
	r.correct(b.slice, used-b.tokens)
}

// accepts reports whether a booking of the generation still belongs in the report. A newer generation drops what the
// report holds of older ones, because Redis has lost their state.
func (r *report) accepts(generation int64) bool {
	if generation > r.generation {
		r.begin(generation)
	}
	return generation == r.generation
}

// begin sets the generation of the report and drops what belongs to another one. Local tokens belong to none.
func (r *report) begin(generation int64) {
	r.generation = generation
	r.marks, r.corrections = r.marks[:0], r.corrections[:0]
	r.estimated, r.used, r.pace = 0, 0, 0
}

func (r *report) correct(slice, tokens int64) {
	for i := range r.corrections {
		if r.corrections[i].slice == slice {
			r.corrections[i].tokens += tokens
			return
		}
	}
	if tokens != 0 {
		r.corrections = append(r.corrections, correction{slice, tokens})
	}
}

// addLocal adds tokens that were booked from the share, for the time when Redis is back. The sum is at most limit,
// which is what this pod may use in a window.
func (r *report) addLocal(tokens, limit int64) {
	r.returning = true
	r.local = min(r.local+tokens, limit)
}

// correctLocal corrects tokens that addLocal added. It does nothing after the report with those tokens was sent: the
// correction would then go to another slice.
func (r *report) correctLocal(tokens int64) {
	if r.returning {
		r.local = max(0, r.local+tokens)
	}
}

// empty makes a report that was sent ready for reuse. It keeps the room of its lists.
func (r *report) empty(generation int64) {
	*r = report{generation: generation, marks: r.marks[:0], corrections: r.corrections[:0]}
}
