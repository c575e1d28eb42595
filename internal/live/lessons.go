package live

// Lesson says what a layer does when it reacts, and where to read how.
type Lesson struct {
	Layer string `json:"layer"`
	Says  string `json:"says"`
	File  string `json:"file"`
}

// lessons has one for each layer that can be seen to react.
var lessons = []Lesson{
	{"admission", "The pod is full. It refuses further requests at once, so that those inside it are answered in time.",
		"internal/middleware/admission.go"},
	{"deadline", "The time that a request may take is over. Its client is told, and everything the request holds is " +
		"given back.",
		"internal/middleware/deadline.go"},
	{"user_concurrency", "A user has as many requests inside this pod as the tier allows. The others keep their " +
		"share of the slots.",
		"internal/middleware/concurrency.go"},
	{"fail_fast", "The breaker is open. A request that cannot succeed is refused before it costs anything.",
		"internal/middleware/failfast.go"},
	{"shed", "The pod is under pressure. It refuses the lowest tier first, before its queue is full.",
		"internal/middleware/shed.go"},
	{"user_limit", "A user has sent more requests in a minute than the tier allows. Other users do not notice.",
		"internal/middleware/userlimit.go"},
	{"token_limit", "A user has used more tokens in a minute than the tier allows. The vendor's contract is not " +
		"touched.",
		"internal/middleware/tokenlimit.go"},
	{"breaker", "Too many calls failed, so all pods have stopped calling the vendor. After a pause one probe tries " +
		"it; when the probe succeeds, the breaker closes.",
		"internal/llm/breaker/breaker.go"},
	{"quota", "The vendor's contract is used up, or the vendor asked for a pause. Calls wait for their booked " +
		"start, or are refused when that would be too late.",
		"internal/llm/quota/quota.go"},
	{"pacer", "Calls came in a burst. The pacer sends them to the vendor at an even pace.",
		"internal/llm/pacer.go"},
	{"slots", "All calls that this pod may have in flight are in flight. Others wait in the queue, higher tiers " +
		"first.",
		"internal/llm/slots.go"},
	{"retry", "A call failed in a way that may pass. It is repeated after a pause, while the budget for retries " +
		"lasts.",
		"internal/llm/retry.go"},
	{"vendor", "The vendor failed, and no further attempt was possible. The client gets an error that says so.",
		"internal/api/vendorproblem.go"},
	{"redis", "Redis is away. The pod works from its own counts, within its share of the contract.",
		"internal/redisx/guard.go"},
}
