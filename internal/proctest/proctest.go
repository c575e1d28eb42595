// Package proctest builds and runs programs for tests and measurements. Whatever was started ends with the test, and
// with the program that started it, also when that crashes or runs into the limit of go test:
//
//	Build    go build, with the race detector when the caller has it    build.go
//	Command  a command that ends by itself: git, go, make               command.go
//	Start    a program that runs until it is told to end                process.go
//	Output   what a program writes, to be waited for                    output.go
//
// It knows the service only by its log line "serving", which says where a pod listens.
package proctest
