package llm

import (
	"encoding/json"
	"errors"
	"time"
)

// Model is a model that a vendor serves, as lists of models have it.
type Model struct {
	ID       string
	Document []byte // JSON, with the members of OpenAI's and of Anthropic's lists
}

// maxModelID bounds a model's name in bytes.
const maxModelID = 256

// ReadModel reads an entry of a vendor's list, and adds the missing members of OpenAI's and of Anthropic's lists. So
// one answer serves the clients of both. owner is the value of "owned_by" when the entry has none.
func ReadModel(document []byte, owner string) (Model, error) {
	var known struct {
		ID        string
		Created   float64
		CreatedAt any `json:"created_at"`
	}
	_ = json.Unmarshal(document, &known) // a member of another type is left out, and the rest is read
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(document, &raw); err != nil {
		return Model{}, err
	}
	if known.ID == "" || len(known.ID) > maxModelID {
		return Model{}, errors.New("a model without a usable id")
	}
	text, _ := known.CreatedAt.(string)
	created, err := time.Parse(time.RFC3339, text)
	if err != nil {
		created = time.Unix(int64(max(0, min(known.Created, 1<<40))), 0)
	}
	members := map[string]any{
		"object": "model", "created": created.Unix(), "owned_by": owner,
		"type": "model", "display_name": known.ID, "created_at": created.UTC().Format(time.RFC3339),
	}
	for name, value := range raw {
		members[name] = value
	}
	whole, err := json.Marshal(members)
	return Model{ID: known.ID, Document: whole}, err
}

// NamedModel is a model of which only the name is known.
func NamedModel(id, owner string) Model {
	name, _ := json.Marshal(map[string]string{"id": id}) // which always marshals
	m, _ := ReadModel(name, owner)
	return m
}
