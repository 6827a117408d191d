package apikey_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/httpapi/apikey"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestAKeyHasTheDocumentedForm(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^ls_[a-z2-7]{10}_[a-z2-7]{52}$`)
	seen := map[string]bool{}
	for range 200 {
		key, text := apikey.New("n", apikey.Read, now, time.Time{})
		require.Regexp(t, form, text)
		require.True(t, strings.HasPrefix(text, "ls_"+key.ID+"_"))
		require.False(t, seen[key.ID] || seen[text])
		seen[key.ID], seen[text] = true, true
		require.NotContains(t, fmt.Sprintf("%+v %#v", key, key), strings.Split(text, "_")[2])
	}
}

func TestRolesIncludeLowerOnes(t *testing.T) {
	t.Parallel()
	roles := []apikey.Role{apikey.Ingest, apikey.Worker, apikey.Read, apikey.Write, apikey.Admin}
	for i, role := range roles {
		require.False(t, role.Includes(0))
		require.False(t, apikey.Role(0).Includes(role))
		parsed, err := apikey.ParseRole(role.String())
		require.NoError(t, err)
		require.Equal(t, role, parsed)
		for j, other := range roles {
			require.Equal(t, i == j || i > j && role >= apikey.Write, role.Includes(other), "%s, %s", role, other)
		}
		require.True(t, role.Includes(apikey.AnyRole))
		require.False(t, apikey.AnyRole.Includes(role))
	}
	require.False(t, apikey.Role(0).Includes(0))
	require.Empty(t, apikey.Role(9).String())
	require.Empty(t, apikey.AnyRole.String(), "no key has it alone")
	for _, name := range []string{"", "Admin", "root"} {
		_, err := apikey.ParseRole(name)
		require.Error(t, err)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	long, longText := apikey.New("long", apikey.Write, now, time.Time{})
	short, shortText := apikey.New("short", apikey.Read, now, now.Add(time.Hour))
	keys := apikey.Of(long, short)

	holder, session, ends, err := keys.SignIn(longText, now)
	require.NoError(t, err)
	require.Equal(t, apikey.Holder{ID: long.ID, Name: "long", Role: apikey.Write}, holder)
	require.Equal(t, now.Add(apikey.SessionLifetime), ends)
	got, err := keys.Session(session, ends.Add(-time.Second))
	require.NoError(t, err)
	require.Equal(t, holder, got)
	_, err = keys.Session(session, ends)
	require.ErrorIs(t, err, apikey.ErrExpired)

	_, shortSession, ends, err := keys.SignIn(shortText, now)
	require.NoError(t, err)
	require.Equal(t, now.Add(time.Hour), ends, "a session ends with its key")

	t.Run("nothing of a session can be changed", func(t *testing.T) {
		t.Parallel()
		parts, others := strings.Split(session, "_"), strings.Split(shortSession, "_")
		later := strings.Replace(session, parts[2], strconv.FormatInt(now.Add(1000*time.Hour).Unix(), 10), 1)
		for _, forged := range []string{
			"", "_", "___", "lss___", later, strings.Replace(session, parts[1], others[1], 1), strings.Replace(session, "lss_", "ls_", 1),
			session + "A", session[:len(session)-1], strings.Repeat("a", 10_000), longText, parts[0] + "_" + parts[1] + "_" + parts[2] + "_",
		} {
			_, err := keys.Session(forged, now)
			require.ErrorIs(t, err, apikey.ErrUnknown, forged)
		}
		for i := range session {
			changed := []byte(session)
			changed[i] ^= 2
			_, err := keys.Session(string(changed), now)
			// The last character has bits that mean nothing.
			require.True(t, err != nil || i == len(session)-1, string(changed))
		}
	})
	t.Run("a session ends with its key", func(t *testing.T) {
		t.Parallel()
		revoked := long
		revoked.Revoked = now
		_, err := apikey.Of(revoked).Session(session, now)
		require.ErrorIs(t, err, apikey.ErrRevoked)
		_, err = apikey.Of(short).Session(session, now)
		require.ErrorIs(t, err, apikey.ErrUnknown, "its key was removed")
	})
	t.Run("a session is no key, nor a key a session", func(t *testing.T) {
		t.Parallel()
		_, err := keys.Authenticate(session, now)
		require.ErrorIs(t, err, apikey.ErrUnknown)
		_, _, _, err = keys.SignIn(session, now)
		require.ErrorIs(t, err, apikey.ErrUnknown)
	})
}

func TestAFileKeepsKeys(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.yaml")
	_, err := apikey.Load(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "logsift key create --keys "+path, "the fix is named")

	first, text, err := apikey.Create(path, "anna", apikey.Admin, now, time.Time{})
	require.NoError(t, err)
	second, secondText, err := apikey.Create(path, "fluent bit@host-1", apikey.Write, now, now.Add(time.Hour))
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, secret := range []string{text, secondText} {
		require.NotContains(t, string(raw), strings.Split(secret, "_")[2], "the file holds no key")
	}

	list, err := apikey.List(path)
	require.NoError(t, err)
	require.Equal(t, []apikey.Key{first, second}, list, "all of a key survives")
	keys, err := apikey.Load(path)
	require.NoError(t, err)
	holder, err := keys.Authenticate(text, now)
	require.NoError(t, err)
	require.Equal(t, apikey.Holder{ID: first.ID, Name: "anna", Role: apikey.Admin}, holder)
	_, err = keys.Authenticate(secondText, now.Add(time.Hour))
	require.ErrorIs(t, err, apikey.ErrExpired)
	_, session, _, err := keys.SignIn(text, now)
	require.NoError(t, err)
	_, err = keys.Session(session, now)
	require.NoError(t, err)

	_, _, err = apikey.Create(path, "anna", apikey.Read, now, time.Time{})
	require.ErrorContains(t, err, "has the name", "the audit log could not tell them apart")
	revoked, err := apikey.Revoke(path, first.ID, now)
	require.NoError(t, err)
	require.Equal(t, now, revoked.Revoked)
	again, err := apikey.Revoke(path, first.ID, now.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, now, again.Revoked, "once more changes nothing")
	_, err = apikey.Revoke(path, "aaaaaaaaaa", now)
	require.ErrorContains(t, err, "no key")
	keys, err = apikey.Load(path)
	require.NoError(t, err)
	_, err = keys.Authenticate(text, now)
	require.ErrorIs(t, err, apikey.ErrRevoked)
	require.True(t, keys.Usable(now))
	require.False(t, keys.Usable(now.Add(time.Hour)), "one is revoked, the other has expired")
	_, _, err = apikey.Create(path, "anna", apikey.Read, now, time.Time{})
	require.NoError(t, err, "the name is free again")
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	require.NoError(t, err)
	require.Equal(t, []string{path}, left, "nothing is left beside it")
}

func TestAChangeKeepsTheOwnerAndTheMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.yaml")
	key, _, err := apikey.Create(path, "anna", apikey.Admin, now, time.Time{})
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o640))
	root := os.Geteuid() == 0
	if root { // The server runs as another user.
		require.NoError(t, os.Chown(path, 65534, 65533))
	}
	before, err := os.Stat(path)
	require.NoError(t, err)
	_, err = apikey.Revoke(path, key.ID, now)
	require.NoError(t, err)
	after, err := os.Stat(path)
	require.NoError(t, err)
	require.False(t, os.SameFile(before, after), "a reader never sees half a file")
	require.Equal(t, before.Mode(), after.Mode())
	owner := func(info os.FileInfo) string {
		sys := reflect.Indirect(reflect.ValueOf(info.Sys()))
		return fmt.Sprint(sys.FieldByName("Uid"), ":", sys.FieldByName("Gid"))
	}
	require.Equal(t, owner(before), owner(after), "the server could not see that the key was revoked")
	if root {
		require.Equal(t, "65534:65533", owner(after))
	}
}

func TestChangesAtATimeLoseNone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.yaml")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, _, err := apikey.Create(path, fmt.Sprintf("n%d", i), apikey.Read, now, time.Time{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := apikey.List(path)
	require.NoError(t, err)
	require.Len(t, list, 20)
}

func TestABrokenFileIsToldByLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good.yaml")
	key, _, err := apikey.Create(good, "anna", apikey.Admin, now, time.Time{})
	require.NoError(t, err)
	raw, err := os.ReadFile(good)
	require.NoError(t, err)
	text := string(raw)
	entry := text[strings.Index(text, "  - id"):]
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"another role":     {strings.Replace(text, "role: admin", "role: root", 1), []string{"line 4", "role must be ingest, worker, read, write or admin"}},
		"no role":          {strings.Replace(text, "    role: admin\n", "", 1), []string{"line 4", "role must be"}},
		"a short hash":     {strings.Replace(text, "sha256:", "sha256:00", 1), []string{"line 4", "hash must be"}},
		"no hash":          {regexp.MustCompile(`(?m)^ +hash.*\n`).ReplaceAllString(text, ""), []string{"line 4", "hash must be"}},
		"another scheme":   {strings.Replace(text, "sha256:", "md5:", 1), []string{"line 4", "hash must be"}},
		"a broken session": {strings.Replace(text, "ed25519:", "ed25519:!", 1), []string{"line 4", "session must be"}},
		"a bad id":         {strings.Replace(text, "id: "+key.ID, "id: A", 1), []string{"line 4", "id must be"}},
		"a bad name":       {strings.Replace(text, "name: anna", `name: "a\nb"`, 1), []string{"line 4", "name must be"}},
		"an unknown field": {strings.Replace(text, "    role:", "    rolle: x\n    role:", 1), []string{"line 4", "rolle"}},
		"a bad time":       {strings.Replace(text, "    role:", "    expires: soon\n    role:", 1), []string{"line 4", "soon"}},
		"the same id":      {text + entry, []string{"line 10", "line 4 too"}},
		"another key":      {"keyz: []\n", []string{"keyz"}},
		"no YAML":          {"keys: [", []string{"as logsift key create wrote it"}},
		"another type":     {"keys: 3\n", []string{"line 1"}},
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
		_, err := apikey.Load(path)
		require.Error(t, err, name)
		for _, want := range append(c.want, path) {
			require.ErrorContains(t, err, want, name)
		}
		require.NotContains(t, err.Error(), "apikey.", name)
		if !strings.Contains(name, "id") {
			_, _, err = apikey.Create(path, "new", apikey.Read, now, time.Time{})
			require.Error(t, err, "a file that is not understood is not overwritten")
		}
	}
	empty := filepath.Join(dir, "empty.yaml")
	require.NoError(t, os.WriteFile(empty, []byte("# none yet\n"), 0o600))
	keys, err := apikey.Load(empty)
	require.NoError(t, err)
	require.False(t, keys.Usable(now))

	require.NoError(t, os.Chmod(good, 0o620))
	_, err = apikey.Load(good)
	require.ErrorContains(t, err, "chmod 600", "who may change it may give himself a key")
}
