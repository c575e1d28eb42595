// Package openapi checks the answers of the real binary against its /openapi.json, with a validator for OpenAPI 3.1
// (libopenapi-validator): requests, statuses, headers and bodies of every route.
//
//	answers_test.go     the requests, and a check that every status of every route occurs here or in another test
//	own_test.go         what the service says itself: headers, problems and their codes, the last events of streams
//	parameters_test.go  each parameter is heeded, and a key is asked for where the document says so
//	slow_test.go        answers and clients that are slow
//	document_test.go    the document itself, and its examples
//	pod_test.go         starts the binary, and a vendor behind it
//
// It is a separate module, so that the validator is no dependency of the service. The tests of internal/api check their
// answers against the document too, status by status, also for rare statuses.
package openapi
