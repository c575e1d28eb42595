package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

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

// settings lists the variables of spec, a pointer to a struct with envconfig's tags, in the order of its fields and
// under the names that envconfig would use. envconfig itself lists them only through text/template. In a program that
// can execute a template the linker keeps every method of every type, because a template may call any: 13 MB of this
// binary.
func settings(prefix string, spec any) []setting {
	return settingsOf(prefix, reflect.ValueOf(spec).Elem())
}

func settingsOf(prefix string, fields reflect.Value) []setting {
	var all []setting
	for field, value := range fields.Fields() {
		switch {
		case !field.IsExported() || field.Tag.Get("ignored") == "true":
		case field.Anonymous:
			all = append(all, settingsOf(prefix, value)...)
		case value.Kind() == reflect.Struct:
			all = append(all, settingsOf(prefix+"_"+words(field.Name), value)...)
		default:
			all = append(all, setting{
				Name: prefix + "_" + words(field.Name), Default: field.Tag.Get("default"), About: field.Tag.Get("desc"),
				Secret: field.Tag.Get("secret") == "true", value: value,
			})
		}
	}
	return all
}

// words writes a field's name as a variable's: MaxBody is MAX_BODY, APIKeysFile is API_KEYS_FILE.
func words(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(rune(name[i-1])) || i+1 < len(name) &&
			unicode.IsLower(rune(name[i+1]))) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// set parses text into the field. envconfig does the parsing, so that every type means what its documentation says; but
// it would read the process's environment, which only cmd/server does. So the text is handed over as the default of a
// variable that no environment can hold, one field at a time, and every bad value is found, not only the first.
func (s setting) set(text string) error {
	if text == "" {
		return nil
	}
	listed, err := s.tidied(text)
	if err != nil {
		return s.describe(text, err)
	}
	one := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: "Value", Type: s.value.Type(), Tag: reflect.StructTag(`envconfig:"=" default:` + strconv.Quote(listed)),
	}}))
	if err := envconfig.Process("", one.Interface()); err != nil {
		return s.describe(text, err)
	}
	s.value.Set(one.Elem().Field(0))
	return nil
}

// tidied returns a list without the spaces around its items and around the colons of its pairs. envconfig keeps them as
// parts of names, and such a name matches nothing. Items that are empty, and names that stand twice, are errors: one of
// two pairs would be lost. Types that read their own form get the text as it is.
func (s setting) tidied(text string) (string, error) {
	_, own := reflect.TypeAssert[envconfig.Decoder](s.value.Addr())
	pairs := s.value.Kind() == reflect.Map
	if own || !pairs && s.value.Kind() != reflect.Slice || strings.TrimSpace(text) == "" {
		return text, nil
	}
	items, seen := strings.Split(text, ","), map[string]bool{}
	for i, item := range items {
		item = strings.TrimSpace(item)
		if name, value, divided := strings.Cut(item, ":"); pairs && divided {
			name = strings.TrimSpace(name)
			if seen[name] {
				return "", fmt.Errorf("%s stands there twice", name)
			}
			seen[name], item = true, name+":"+strings.TrimSpace(value)
		}
		if item == "" {
			return "", errors.New("an item is empty")
		}
		items[i] = item
	}
	return strings.Join(items, ","), nil
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
