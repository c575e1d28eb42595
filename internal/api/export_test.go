package api

// Description is the description of the API, for tests that hold answers against it.
var Description = description

// InEvents reports whether only streams that have begun end with a code. Tests have handlers that fail with it before.
func InEvents(code string) bool { return inEvents[code] }
