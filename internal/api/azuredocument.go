package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spillway-dev/spillway/internal/llm"
)

// azurePathsOf are Azure's paths for a route, in the form of the description: of a deployment, which names the model,
// and below another base. It is empty for what is no endpoint.
func azurePathsOf(method, route string) []string {
	if !strings.HasPrefix(route, llm.Base+"/") {
		return nil
	}
	paths := []string{"/openai" + route}
	if method == http.MethodPost {
		paths = append(paths, "/openai/deployments/{deployment}"+strings.TrimPrefix(route, llm.Base))
	}
	return paths
}

// withAzure adds Azure's paths to those that are written: each answers as the route does that it stands for.
func withAzure(written json.RawMessage) (json.RawMessage, error) {
	var paths map[string]map[string]json.RawMessage
	if err := json.Unmarshal(written, &paths); err != nil {
		return nil, err
	}
	all := bytes.NewBuffer(bytes.TrimSuffix(bytes.TrimSpace(written), []byte("}")))
	for _, route := range slices.Sorted(maps.Keys(paths)) {
		for method, operation := range paths[route] {
			for _, path := range azurePathsOf(strings.ToUpper(method), route) {
				described, err := asAzure(operation, path)
				if err != nil {
					return nil, fmt.Errorf("%s %s: %w", method, path, err)
				}
				fmt.Fprintf(all, ",%q:{%q:%s}", path, method, described)
			}
		}
	}
	all.WriteString("}")
	return all.Bytes(), nil
}

// asAzure is an operation at one of Azure's paths.
func asAzure(operation json.RawMessage, path string) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(operation, &members); err != nil {
		return nil, err
	}
	var own struct { // each may be missing
		OperationID string
		Summary     string
		Parameters  []any
	}
	if err := json.Unmarshal(operation, &own); err != nil {
		return nil, err
	}
	id, added := own.OperationID+"Azure", []string{"APIVersion"}
	if strings.Contains(path, "{deployment}") {
		id, added = id+"Deployment", []string{"Deployment", "APIVersion"}
	}
	for _, name := range added {
		own.Parameters = append(own.Parameters, ref{"#/components/parameters/" + name})
	}
	summary := "The same at a path of Azure's clients"
	if own.Summary != "" {
		summary += ". " + own.Summary
	}
	for name, value := range map[string]any{
		"operationId": id, "parameters": own.Parameters, "tags": []string{"Azure"}, "summary": summary,
		"security": []map[string][]string{{"azureKey": {}}, {"bearer": {}}, {"apiKey": {}}},
	} {
		var err error
		if members[name], err = json.Marshal(value); err != nil {
			return nil, err
		}
	}
	return json.Marshal(members)
}
