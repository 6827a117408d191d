package redisstore

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestThePaceOfClaims(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p pace
		atOnce := claimTime{notify: true}
		require.Equal(t, atOnce, p.next(false))
		p.answered(1, 100, 10)
		require.Equal(t, atOnce, p.next(false), "one task makes no flow")
		<-time.After(time.Millisecond)
		p.answered(1, 100, 10)
		require.Equal(t, claimTime{at: time.Now().Add(claimSpacing)}, p.next(false), "tasks come one after another")
		<-time.After(time.Millisecond)
		p.answered(0, 100, 10)
		require.Equal(t, claimTime{at: time.Now().Add(claimSpacing), notify: true}, p.next(true), "none came, but one may soon")
		<-time.After(time.Millisecond)
		p.answered(0, 100, 10)
		require.Equal(t, atOnce, p.next(false), "no more come")
		p.answered(4, 100, 10)
		require.False(t, p.next(false).at.IsZero(), "four of them in the time of four")
		p.answered(4, steadyBytes+1, 10)
		require.Equal(t, atOnce, p.next(false), "no enqueue waits for large tasks")
		p.answered(10, 100, 10)
		require.Equal(t, atOnce, p.next(false), "there are more than a claim takes")
	})
}
