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
	{"identity", "A request has no API key, or one that is not known. It is refused before it costs anything.",
		"internal/middleware/identity.go"},
	{"header_limit", "A header that would go on to the vendor is too long.", "internal/middleware/headerlimit.go"},
	{"user_concurrency", "A user has as many requests inside this pod as the tier allows. The others keep their " +
		"share of the slots.",
		"internal/middleware/concurrency.go"},
	{"fail_fast", "While the breaker is open, a request that cannot succeed is refused before it costs anything.",
		"internal/middleware/failfast.go"},
	{"shed", "The pod is under pressure. It refuses the lowest tier first, before its queue is full.",
		"internal/middleware/shed.go"},
	{"user_limit", "A user has sent more requests in a minute than the tier allows. Other users do not notice.",
		"internal/middleware/userlimit.go"},
	{"payload", "A body is too large, too slow or no JSON, or there is no memory left for it.", "internal/api/body.go"},
	{"token_limit", "A user has used more tokens in a minute than the tier allows. The vendor's contract is not " +
		"touched.",
		"internal/middleware/tokenlimit.go"},
	{"lanes", "Calls whose lane cannot serve them go on to another vendor, or no lane has what they ask for.",
		"internal/llm/chain/failover.go"},
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
	{"vendor", "The vendor failed or refused, and no further attempt was possible. The client is told what it was.",
		"internal/api/vendorproblem.go"},
	{"client", "Clients hung up before they were answered. Their calls end at once, and what they hold is given back.",
		"internal/llm/call.go"},
	{"service", "The pod failed by itself, or it is stopping and takes nothing new.", "internal/api/fail.go"},
	{"redis", "Redis is away. The pod works from its own counts, within its share of the contract.",
		"internal/redisx/guard.go"},
}
