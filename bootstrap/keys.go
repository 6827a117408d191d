package bootstrap

import (
	"time"

	"logsift/adapters/httpapi/apikey"
	"logsift/domain"
)

// APIKey is what is known of a key of the API: all but the key.
type APIKey struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	Created time.Time `json:"created_at"`
	// Expires and Revoked are zero for never.
	Expires time.Time `json:"expires_at,omitzero"`
	Revoked time.Time `json:"revoked_at,omitzero"`
}

func keyView(k *apikey.Key) APIKey {
	return APIKey{ID: k.ID, Name: k.Name, Role: k.Role.String(), Created: k.Created, Expires: k.Expires, Revoked: k.Revoked}
}

// State is active, expired or revoked.
func (k *APIKey) State(now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Expires.IsZero() && !now.Before(k.Expires):
		return "expired"
	}
	return "active"
}

// MaxKeyLifetime bounds how long a key may be good for that expires.
const MaxKeyLifetime = 10 * 365 * 24 * time.Hour

// CreateAPIKey makes a key and adds its hash to the file, which it makes if there is
// none. The role is ingest, worker, read, write or admin; a lifetime of 0 is for ever. The text is
// the key, which nothing else holds.
func CreateAPIKey(file, name, role string, lifetime time.Duration) (key APIKey, text string, err error) {
	parsed, err := apikey.ParseRole(role)
	if err != nil {
		return APIKey{}, "", &domain.ValidationError{Field: "role", Value: role, Rule: apikey.RoleRule}
	}
	if err := apikey.ValidateName(name); err != nil {
		return APIKey{}, "", &domain.ValidationError{Field: "name", Value: name, Rule: "must be 1 to 64 letters, digits, '.', '_', '-', '@' or spaces between them"}
	}
	if lifetime < 0 || lifetime > MaxKeyLifetime {
		return APIKey{}, "", &domain.ValidationError{Field: "expires", Value: lifetime.String(), Rule: "must be positive and at most ten years"}
	}
	now := time.Now()
	var expires time.Time
	if lifetime > 0 {
		expires = now.Add(lifetime)
	}
	made, text, err := apikey.Create(file, name, parsed, now, expires)
	if err != nil {
		return APIKey{}, "", err
	}
	return keyView(&made), text, nil
}

// ListAPIKeys returns the keys of the file in the order they were made.
func ListAPIKeys(file string) ([]APIKey, error) {
	keys, err := apikey.List(file)
	if err != nil {
		return nil, err
	}
	out := make([]APIKey, len(keys))
	for i := range keys {
		out[i] = keyView(&keys[i])
	}
	return out, nil
}

// RevokeAPIKey ends a key for ever, and the sessions that were begun with it. Servers
// see it within a second.
func RevokeAPIKey(file, id string) (APIKey, error) {
	key, err := apikey.Revoke(file, id, time.Now())
	if err != nil {
		return APIKey{}, err
	}
	return keyView(&key), nil
}
