package live

import (
	"cmp"
	"slices"
	"strings"
)

// Step is one step of a request's way: a line of the README's picture, and a row of the page.
type Step struct {
	Name   string `json:"name"`   // as in Layer.Name, for those that refuse requests
	Title  string `json:"title"`  // Name in words
	Says   string `json:"says"`   // what it is for
	Part   string `json:"part"`   // PartIn, PartOut or PartBesides
	Depth  int    `json:"depth"`  // how many steps of the way out stand around it
	Shared bool   `json:"shared"` // its state is in Redis, for all pods
}

// The parts of the way.
const (
	PartIn      = "the way in"
	PartOut     = "the way out"
	PartBesides = "besides" // where else a request can end
)

// The places of requests that no layer refused.
const (
	layerClient  = "client"
	layerVendor  = "vendor"  // the vendor failed
	layerService = "service" // the service failed itself, or was closing
	layerHere    = "here"    // answered without a call
)

// way is the way of a request, outermost step first.
var way = titled([]Step{
	{Name: "watching", Part: PartIn, Says: "Each request has an ID, one log line, a trace; a panic stays inside"},
	{Name: "admission", Part: PartIn, Says: "A pod holds so many requests and bytes; others are refused at once"},
	{Name: "deadline", Part: PartIn, Says: "No request waits longer than the SLA for its answer or first event"},
	{Name: "identity", Part: PartIn, Says: "An API key names the user and the tier"},
	{Name: "header_limit", Part: PartIn, Says: "Headers that go on to the vendor are short"},
	{Name: "user_concurrency", Part: PartIn, Says: "One user cannot fill a pod"},
	{Name: "fail_fast", Part: PartIn, Says: "While every vendor is down nothing is spent on a request"},
	{Name: "shed", Title: "shedding", Part: PartIn,
		Says: "A pod under pressure refuses early, the lowest tier first"},
	{Name: "user_limit", Part: PartIn, Shared: true, Says: "Requests a minute for each user, wherever they arrive"},
	{Name: "payload", Title: "body", Part: PartIn, Says: "A body is whole, sound JSON, and has room in memory"},
	{Name: "token_limit", Part: PartIn, Shared: true, Says: "Tokens a minute for each user"},
	{Name: "lanes", Title: "lane", Part: PartOut, Says: "The vendor for the model; another one when it fails"},
	{Name: "retry", Part: PartOut, Depth: 1,
		Says: "What may pass is repeated, within a budget; holds nothing while it sleeps"},
	{Name: "queue_timeout", Part: PartOut, Depth: 2, Says: "A call starts soon, or is refused"},
	{Name: "breaker", Part: PartOut, Depth: 3, Shared: true,
		Says: "A vendor that is down is left alone; one probe finds it again"},
	{Name: "quota", Part: PartOut, Depth: 3, Shared: true,
		Says: "The contract holds for all pods together: requests and tokens"},
	{Name: "pacer", Part: PartOut, Depth: 3, Says: "A burst becomes a steady stream"},
	{Name: "slots", Part: PartOut, Depth: 3, Says: "So many calls are in flight; users wait in turn, by priority"},
	{Name: "call_timeout", Part: PartOut, Depth: 4, Says: "A silent vendor costs a call no more than this"},
	{Name: layerVendor, Part: PartOut, Depth: 5, Says: "One HTTP exchange, without a hidden retry"},
	{Name: layerHere, Title: "answered here", Part: PartBesides,
		Says: "Jobs that were taken, their results, lists of models: no vendor is called"},
	{Name: layerClient, Title: "client left", Part: PartBesides, Says: "The client hung up before it was answered"},
	{Name: layerService, Title: "this service", Part: PartBesides, Says: "The pod failed by itself, or is stopping"},
})

// Way is the way of a request, outermost step first, and then the places besides.
func Way() []Step { return slices.Clone(way) }

// titled gives steps without a title their names.
func titled(steps []Step) []Step {
	for i := range steps {
		steps[i].Title = cmp.Or(steps[i].Title, strings.ReplaceAll(steps[i].Name, "_", " "))
	}
	return steps
}
