package telemetry

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// repair replaces what is not UTF-8 in every text of a message, at every depth. Protobuf refuses a message with such a
// text as a whole, and many texts of spans come from clients and vendors. The messages of OTLP have no maps.
func repair(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if !field.IsList() {
			if fixed := repaired(field, value); fixed.IsValid() {
				m.Set(field, fixed)
			}
			return true
		}
		list := value.List()
		for i := range list.Len() {
			if fixed := repaired(field, list.Get(i)); fixed.IsValid() {
				list.Set(i, fixed)
			}
		}
		return true
	})
}

// repaired is what a text becomes. It is not valid for other values; in a message the texts are replaced.
func repaired(field protoreflect.FieldDescriptor, value protoreflect.Value) (text protoreflect.Value) {
	switch field.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.ToValidUTF8(value.String(), "\uFFFD"))
	case protoreflect.MessageKind:
		repair(value.Message())
	default:
	}
	return text
}
