// Package chart checks helm/spillway and k8s/ without a cluster. It is a separate module, because Helm and Prometheus
// are no dependencies of the service. The tests:
//
//	render      every scenario of helm/spillway/ci, with Helm 4 and Helm 3       render_test.go, scenarios_test.go
//	schemas     strict validation as in the API server, with the CEL rules       validate_test.go, schemas/
//	guards      contradictory values are refused, with advice                    guards_test.go
//	times       which times must be shorter than others                          times_test.go
//	settings    the service accepts the chart's settings; none is missing        settings_test.go
//	alerts      fire exactly when they should                                    alerts_test.go
//	metrics     those of alerts, dashboard and autoscaler exist                  metrics_test.go
//	dashboard   one for each release; queries, legends, units and states          dashboard_test.go, panels_test.go
//	keys        API keys are made once and kept                                  keys_test.go
//	operations  what an upgrade keeps, and what replaces a pod                   operations_test.go
//	network     where pods may connect to, and which pods may call them          network_test.go
//	gateway     order, keys and sizes of its limits                              gateway_test.go
//	values      documented, and those of a platform reach the pods               values_test.go, platform_test.go
//	sets        values that belong together, as docs/configuration.md has them   sets_test.go
//	size        the size of the image's binaries is bounded                      size_test.go
//	manifests   k8s/ is what the chart renders                                   manifests_test.go
package chart
