package live

import "context"

// scene is one step of the story: what it says, what it does, and when it has come about.
type scene struct {
	skip        func(now Snapshot) bool // whether it has come about already; nil: never
	title, says string
	do          func(context.Context, *story) error // nil: nothing
	over        func(before, now Snapshot) bool     // nil: at once
}

// What the story is played with.
const (
	storyLoad = 20 // requests each second
	answers   = 10 // that are seen before the vendor fails
)

// scenes show the whole life of a breaker to a reader who has seen none before.
var scenes = []scene{
	{
		skip:  closed,
		title: "First, the breaker closes",
		says: "It is still open, from what was tried before. The vendor is well now. The breaker finds that out with " +
			"its next probe.",
		do:   flow,
		over: func(_, now Snapshot) bool { return closed(now) },
	},
	{
		title: "Requests flow",
		says: "20 requests a second go to the service, which calls the vendor for each. The breaker is closed: " +
			"it lets every call pass.",
		do: flow,
		over: func(before, now Snapshot) bool {
			return closed(now) && answered(now) >= answered(before)+answers
		},
	},
	{
		title: "The vendor goes down",
		says: "From now on the vendor answers every call with an error. Each one costs time and a place, and clients " +
			"get errors. The breaker counts them.",
		do:   func(ctx context.Context, t *story) error { return t.set(ctx, "down") },
		over: func(before, now Snapshot) bool { return !closed(now) || now.Breaker.Opened > before.Breaker.Opened },
	},
	{
		title: "The breaker opens",
		says: "Too many calls have failed. The service has stopped calling the vendor: each request is refused at " +
			"once, with the time after which to try again, and the vendor is left in peace to recover. After a pause " +
			"the breaker lets one request through to see whether the vendor is back. That request is the probe.",
		over: func(before, now Snapshot) bool { // closed: somebody else has made the vendor well
			return lost(now) > lost(before) || now.Breaker.Opened > before.Breaker.Opened || closed(now)
		},
	},
	{
		skip:  closed,
		title: "The probe fails",
		says: "The vendor is still down. The breaker stays open, this time for twice as long. Meanwhile the vendor " +
			"has come back. The breaker does not know that yet: its next probe will tell.",
		do:   func(ctx context.Context, t *story) error { return t.set(ctx, "") },
		over: func(_, now Snapshot) bool { return closed(now) },
	},
	{
		title: "The breaker closes",
		says: "The next probes were answered, so the breaker is closed and every call passes again. All pods share " +
			"one breaker: they open and close together, with one probe at a time among them. The load ends by itself " +
			"after a minute. Press the other buttons and see what reacts.",
	},
}

// flow lets requests flow, and be answered.
func flow(ctx context.Context, t *story) error {
	t.play.redis.set(false)
	if err := t.set(ctx, ""); err != nil {
		return err
	}
	t.play.load.set(storyLoad)
	return nil
}

func closed(s Snapshot) bool { return s.Breaker.State == "closed" }

// answered is how many requests had an answer of the vendor so far.
func answered(s Snapshot) float64 { return totalOf(s.Requests.Outcomes, outcomeOK) }

// lost is how many probes have failed so far.
func lost(s Snapshot) float64 { return totalOf(s.Breaker.Probes, "lost") }

func totalOf(list []Named, name string) float64 {
	for _, n := range list {
		if n.Name == name {
			return n.Total
		}
	}
	return 0
}
