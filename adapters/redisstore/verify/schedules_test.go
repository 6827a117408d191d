package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"logsift/adapters/redisstore/internal/storetest"
	"logsift/adapters/redisstore/verify"
	"logsift/domain"
)

func TestBrokenSchedulesAreFoundAndMended(t *testing.T) {
	t.Parallel()
	p := storetest.NewPatient(t)
	store := p.Open(t)
	key := func(part string) string { return "{" + p.Namespace + ":schedules}:" + part }
	now := time.Now().Truncate(time.Microsecond).UTC()
	for name, c := range map[string]struct {
		harm func()
		want string
		kept bool
	}{
		"a": {func() {}, "", true},
		"b": {func() { p.Do(t, "HSET", key("records"), "b", "short") }, verify.KindScheduleCorrupt, false},
		"c": {func() { p.Do(t, "HSET", key("records"), "c", strings.Repeat("\x00", 14)+"{}") }, verify.KindScheduleCorrupt, false},
		"d": {func() { p.Do(t, "ZREM", key("names"), "d") }, verify.KindScheduleNotIndexed, true},
		"e": {func() { p.Do(t, "ZREM", key("due"), "e") }, verify.KindScheduleDueWrong, true},
		"f": {func() { p.Do(t, "ZADD", key("due"), "+inf", "f") }, verify.KindScheduleDueWrong, true},
		"g": {func() { p.Do(t, "HDEL", key("records"), "g") }, verify.KindScheduleStray, false},
		"h": {func() {
			_, err := store.ClaimSchedules(t.Context(), 1, time.Minute)
			require.NoError(t, err)
		}, "", true},
	} {
		_, err := store.SaveSchedules(t.Context(), domain.ScheduleRecord{
			Schedule: domain.Schedule{Name: name, Every: time.Hour, Task: storetest.NewTask(`{}`)}, NextTick: now.Add(-time.Hour),
		})
		require.NoError(t, err)
		c.harm()
		found := p.Verify(t, false)
		if c.want == "" {
			require.Empty(t, found, name)
		} else {
			require.NotEmpty(t, found, name)
			require.Equal(t, c.want, found[0].Kind)
		}
		p.Verify(t, true)
		found = p.Verify(t, false)
		require.Empty(t, found, "%s is mended", name)
		got, err := store.LoadSchedules(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, c.kept, got.Records[0].Revision > 0, name)
		require.NoError(t, store.DeleteSchedule(t.Context(), name))
	}
	p.Do(t, "DEL", key("due"))
	p.Do(t, "SET", key("due"), "foreign")
	found := p.Verify(t, true)
	require.Equal(t, verify.KindKeyType, found[0].Kind)
}
