package api

// Description is the description of the API, for tests that hold answers against it.
var Description = description
