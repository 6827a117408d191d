package openai_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"logsift/adapters/openai"
)

func TestASecretShowsItsValueToNobody(t *testing.T) {
	t.Parallel()
	const value = "sk-secret-key"
	type holder struct{ Key openai.Secret }
	key, list := openai.Secret(value), map[openai.Secret]openai.Secret{value: value}
	a := analyzer(t, replies(t, http.StatusOK, ""))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T%v", "%10s"} {
		for _, v := range []any{key, &key, holder{key}, &holder{key}, list, []openai.Secret{key}, openai.Config{APIKey: key}, a} {
			text := fmt.Sprintf(verb, v)
			require.NotContains(t, text, value, "%s of %T", verb, v)
			require.NotContains(t, text, fmt.Sprintf("%x", value), "%s of %T", verb, v)
			require.NotContains(t, text, fmt.Sprintf("%X", value), "%s of %T", verb, v)
		}
	}
	for _, v := range []any{key, &key, holder{key}, []openai.Secret{key}, openai.Config{APIKey: key}} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		require.NotContains(t, string(text), value)
	}
	text, err := key.MarshalText()
	require.NoError(t, err)
	require.Equal(t, "[redacted]", string(text))
	require.Equal(t, "[redacted]", key.String())
	require.Equal(t, `openai.Secret("[redacted]")`, fmt.Sprintf("%#v", key))
	require.Empty(t, openai.Secret("").String(), "whether there is one is no secret")
}
