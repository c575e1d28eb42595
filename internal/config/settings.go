package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"text/template"

	"github.com/kelseyhightower/envconfig"
)

// setting is one environment variable and the field it fills.
type setting struct {
	Name    string // with the prefix, e.g. LLM_SLOTS
	Default string // as it would be written; "" means the field's zero value
	About   string
	Secret  bool // never printed

	value reflect.Value
}

// settings lists the variables of spec, a pointer to a struct with envconfig's tags, in the order of its fields. envconfig
// walks the struct: its usage template is the public way to see every field it would fill, under the name it would use.
func settings(prefix string, spec any) ([]setting, error) {
	var all []setting
	visit := template.FuncMap{"visit": func(name string, tags reflect.StructTag, value reflect.Value) string {
		all = append(all, setting{
			Name: name, Default: tags.Get("default"), About: tags.Get("desc"), Secret: tags.Get("secret") == "true", value: value,
		})
		return ""
	}}
	each := template.Must(template.New("").Funcs(visit).Parse(`{{range .}}{{visit .Key .Tags .Field}}{{end}}`))
	if err := envconfig.Usaget(prefix, spec, new(strings.Builder), each); err != nil {
		return nil, fmt.Errorf("listing the settings of %T: %w", spec, err)
	}
	return all, nil
}

// set parses text into the field. envconfig does the parsing, so that every type means what its documentation says; but
// it would read the process's environment, which only cmd/server does. So the text is handed over as the default of a
// variable that no environment can hold, one field at a time, and every bad value is found, not only the first.
func (s setting) set(text string) error {
	if text == "" {
		return nil
	}
	one := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Value", Type: s.value.Type(), Tag: reflect.StructTag(`envconfig:"=" default:` + strconv.Quote(text)),
	}}))
	if err := envconfig.Process("", one.Interface()); err != nil {
		return s.describe(text, err)
	}
	s.value.Set(one.Elem().Field(0))
	return nil
}

// describe says what is wrong with text, without repeating a secret.
func (s setting) describe(text string, err error) error {
	if s.Secret {
		return fmt.Errorf("%s: not %s", s.Name, s.kind())
	}
	if e, ok := errors.AsType[*envconfig.ParseError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*strconv.NumError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s is %q: not %s (%w)", s.Name, text, s.kind(), err)
}

// kind says what a value has to look like.
func (s setting) kind() string {
	t := s.value.Type()
	switch {
	case t.String() == "time.Duration":
		return "a duration such as 500ms, 30s or 5m"
	case t.String() == "slog.Level":
		return "a level: debug, info, warn or error"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Map:
		return "a list such as name:value,name:value"
	case t.Kind() == reflect.Slice:
		return "a list such as a,b,c"
	case t.Kind() == reflect.Float64:
		return "a number"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "a whole number"
	}
	return "text"
}
