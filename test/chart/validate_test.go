package chart_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// validators are the compiled schemas of schemas/.
type validators struct {
	kubernetes map[string]map[string]*jsonschema.Schema // by version and group/version/kind
	custom     map[string]customResource                // by apiVersion/kind
}

type customResource struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
}

var loadValidators = sync.OnceValues(func() (*validators, error) {
	v := &validators{kubernetes: map[string]map[string]*jsonschema.Schema{}, custom: map[string]customResource{}}
	files, err := filepath.Glob("schemas/*.json")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if strings.HasPrefix(name, "kubernetes-") {
			err = v.addKubernetes(name, text)
		} else {
			err = v.addCustom(text)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return v, nil
})

func (v *validators) addKubernetes(version string, text []byte) error {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(version, document); err != nil {
		return err
	}
	v.kubernetes[version] = map[string]*jsonschema.Schema{}
	for name := range document.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any) {
		parts := strings.Split(strings.TrimPrefix(name, "io.k8s.api."), ".") // io.k8s.api.apps.v1.Deployment
		if len(parts) != 3 {
			continue
		}
		if v.kubernetes[version][strings.Join(parts, "/")],
			err = compiler.Compile(version + "#/components/schemas/" + name); err != nil {
			return err
		}
	}
	return nil
}

func (v *validators) addCustom(text []byte) error {
	var file struct {
		Definitions []v1.CustomResourceDefinition `json:"definitions"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	for _, crd := range file.Definitions {
		for _, version := range crd.Spec.Versions {
			r, err := newCustomResource(version.Schema)
			if err != nil {
				return fmt.Errorf("%s %s: %w", crd.Spec.Names.Kind, version.Name, err)
			}
			v.custom[crd.Spec.Group+"/"+version.Name+"/"+crd.Spec.Names.Kind] = r
		}
	}
	return nil
}

func newCustomResource(s *v1.CustomResourceValidation) (r customResource, err error) {
	var internal apiextensions.CustomResourceValidation
	if err := v1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(s,
		&internal, nil); err != nil {
		return r, err
	}
	if r.structural, err = schema.NewStructural(internal.OpenAPIV3Schema); err != nil {
		return r, err
	}
	if r.validator, _, err = validation.NewSchemaValidator(internal.OpenAPIV3Schema); err != nil {
		return r, err
	}
	r.rules = cel.NewValidator(r.structural, true, celconfig.PerCallLimit)
	return r, nil
}

// check validates o as an API server with strict field validation would: the built-in kinds against every version kept,
// custom resources with their defaults, unknown fields and CEL rules.
func (v *validators) check(o object) error {
	group := o.apiVersion()
	if r, ok := v.custom[group+"/"+o.kind()]; ok {
		return r.check(o)
	}
	if !strings.Contains(group, "/") {
		group = "core/" + group
	}
	group = strings.TrimSuffix(strings.Split(group, "/")[0], ".k8s.io") + "/" + strings.Split(group, "/")[1]
	var errs []error
	for version, kinds := range v.kubernetes {
		s, ok := kinds[group+"/"+o.kind()]
		if !ok {
			errs = append(errs, fmt.Errorf("%s: no schema for %s %s", version, o.apiVersion(), o.kind()))
		} else if err := s.Validate(plain(o)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", version, err))
		}
	}
	return errors.Join(errs...)
}

func (r customResource) check(o object) error {
	content := plain(o).(map[string]any)
	var errs []error
	if unknown := pruning.PruneWithOptions(content, r.structural, true,
		schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}); len(unknown) > 0 {
		errs = append(errs, fmt.Errorf("unknown fields: %s", strings.Join(unknown, ", ")))
	}
	defaulting.Default(content, r.structural)
	for _, e := range validation.ValidateCustomResource(nil, content, r.validator) {
		errs = append(errs, e)
	}
	if r.rules != nil {
		broken, _ := r.rules.Validate(context.Background(), field.NewPath(""), r.structural, content,
			nil, celconfig.RuntimeCELCostBudget)
		for _, e := range broken {
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}

// plain returns a deep copy with the number types of the API machinery.
func plain(v any) any {
	switch v := v.(type) {
	case object:
		return plain(map[string]any(v))
	case map[string]any:
		c := make(map[string]any, len(v))
		for key, child := range v {
			c[key] = plain(child)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = plain(v[i])
		}
		return c
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	}
	return v
}
