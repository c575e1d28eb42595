// Package chart checks helm/spillway and k8s/ without a cluster. It has a module of its own, because Helm and
// Prometheus are no dependencies of the service. What it looks at:
//
//	render      every scenario of helm/spillway/ci, with Helm 4 and Helm 3       render_test.go, scenarios_test.go
//	schemas     strictly, as the API server would, with the CEL rules of CRDs    validate_test.go, schemas/
//	guards      contradictory values are refused with what to change             guards_test.go
//	times       what has to be shorter or longer than what                       times_test.go
//	settings    the service takes what the chart gives; every setting is there   settings_test.go
//	alerts      fire when they should and only then                              alerts_test.go
//	metrics     what alerts, dashboard and autoscaler name is exported           metrics_test.go
//	keys        API keys are made once and kept                                  keys_test.go
//	operations  what an upgrade keeps, and what replaces a pod                   operations_test.go
//	network     where pods may go, and who may call them                         network_test.go
//	gateway     order, keys and sizes of the limits in front                     gateway_test.go
//	values      every one documented; what a platform asks for reaches the pods  values_test.go, platform_test.go
//	sets        values that belong together, as docs/configuration.md has them   sets_test.go
//	size        the image's binaries do not grow unseen                          size_test.go
//	manifests   k8s/ is what the chart says                                      manifests_test.go
package chart
