// Package priority orders requests that compete for the same vendor.
//
// The inbound layers decide a request's class from its tier and its headers. The gates, the slots and the queues of
// jobs serve by class. The inbound layers must not import the way to the vendor, so the type that both need has a
// package of its own.
package priority

// Class is the priority of a request. A greater value is more urgent. The zero value is Low.
type Class uint8

// The classes, the least urgent first.
const (
	Low Class = iota
	Normal
	High
)

var names = [...]string{Low: "low", Normal: "normal", High: "high"}

// String is the name of the class in headers, logs and metrics. A value above High counts as High.
func (c Class) String() string { return names[min(c, High)] }
