package main

// source is a module and the files in it that hold schemas.
type source struct {
	name   string // of the file that is written
	module string
	files  []string
}

// crds are custom resource definitions; kubernetes is the server's own OpenAPI, the oldest and the newest version in
// use.
var (
	crds = []source{
		{"gateway-api", "sigs.k8s.io/gateway-api@v1.6.3", []string{
			"config/crd/standard/gateway.networking.k8s.io_gateways.yaml",
			"config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
		}},
		{"envoy-gateway", "github.com/envoyproxy/gateway@v1.9.1", []string{
			"charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_backendtrafficpolicies.yaml",
			"charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_clienttrafficpolicies.yaml",
		}},
		{"traefik", "github.com/traefik/traefik/v3@v3.7.13",
			[]string{"docs/content/reference/dynamic-configuration/traefik.io_middlewares.yaml"}},
		{"keda", "github.com/kedacore/keda/v2@v2.21.0", []string{"config/crd/bases/keda.sh_scaledobjects.yaml"}},
		{"prometheus-operator", "github.com/prometheus-operator/prometheus-operator@v0.85.0", []string{
			"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
		}},
	}
	kubernetes = []source{
		{"kubernetes-1.35", "k8s.io/kubernetes@v1.35.4", openAPI},
		{"kubernetes-1.37", "k8s.io/kubernetes@v1.37.2", openAPI},
	}
	openAPI = []string{
		"api/openapi-spec/v3/api__v1_openapi.json", "api/openapi-spec/v3/apis__apps__v1_openapi.json",
		"api/openapi-spec/v3/apis__autoscaling__v2_openapi.json", "api/openapi-spec/v3/apis__policy__v1_openapi.json",
		"api/openapi-spec/v3/apis__networking.k8s.io__v1_openapi.json",
	}
	kinds = []string{
		"ConfigMap", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim", "Pod", "Namespace", "Deployment",
		"StatefulSet", "HorizontalPodAutoscaler",
		"PodDisruptionBudget", "NetworkPolicy",
	}
)
