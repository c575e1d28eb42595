// Package openapi holds what the real binary answers against its /openapi.json, with a validator for OpenAPI 3.1
// (libopenapi-validator): requests, statuses, headers and bodies of every route.
//
//	answers_test.go   what is asked, and that every status of every route is asked for or is another test's
//	document_test.go  the document by itself, and its examples
//	pod_test.go       starts the binary, and a vendor behind it
//
// It has a module of its own, so that the validator is no dependency of the service. The tests of internal/api hold
// their answers against the document too, status by status; they reach what a running pod shows seldom.
package openapi
