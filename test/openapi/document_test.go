package openapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi-validator/schema_validation"
)

// TestDocumentIsOpenAPI: by the schema of OpenAPI 3.1 itself.
func TestDocumentIsOpenAPI(t *testing.T) {
	t.Parallel()
	p := start(t)
	if p.model.Version != "3.1.0" {
		t.Errorf("version %s", p.model.Version)
	}
	ok, errs := p.validator.ValidateDocument()
	if !ok {
		for _, e := range errs {
			t.Error(e)
		}
	}
}

// TestExamplesFitTheirSchemas: of requests, of answers and of error documents.
func TestExamplesFitTheirSchemas(t *testing.T) {
	t.Parallel()
	p := start(t)
	schemas := schema_validation.NewSchemaValidator()
	checked := 0
	for path, item := range p.model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			if op.RequestBody != nil {
				media, _ := op.RequestBody.Content.Get("application/json")
				for name, example := range media.Examples.FromOldest() {
					checked++
					var value any
					if err := example.Value.Decode(&value); err != nil {
						t.Fatal(err)
					}
					if ok, errs := schemas.ValidateSchemaObject(media.Schema.Schema(), value); !ok {
						t.Errorf("%s %s, example %s: %v", method, path, name, errs)
					}
				}
			}
			for status, answer := range op.Responses.Codes.FromOldest() {
				for kind, media := range answer.Content.FromOldest() {
					if media.Example != nil {
						checked++
						var value any
						if err := media.Example.Decode(&value); err != nil {
							t.Fatal(err)
						}
						if ok, errs := schemas.ValidateSchemaObject(media.Schema.Schema(), value); !ok {
							t.Errorf("%s %s, %s %s: %v", method, path, status, kind, errs)
						}
					}
					for name, example := range media.Examples.FromOldest() {
						checked++
						var value any
						if err := example.Value.Decode(&value); err != nil {
							t.Fatal(err)
						}
						if ok, errs := schemas.ValidateSchemaObject(media.Schema.Schema(), value); !ok {
							t.Errorf("%s %s, %s %s, example %s: %v", method, path, status, kind, name, errs)
						}
						text, err := json.Marshal(value)
						if err != nil || status >= "4" && !strings.Contains(string(text), `"code"`) {
							t.Errorf("%s is no problem: %s, %v", name, text, err)
						}
					}
				}
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d examples", checked)
	}
}
