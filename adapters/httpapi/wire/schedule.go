package wire

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// PutSchedule is the body that sets a schedule. It has Cron or EverySeconds.
type PutSchedule struct {
	// Cron is a line of five fields, of six with the second first, or @daily and its like.
	Cron string `json:"cron,omitempty"`
	// EverySeconds is the time between two ticks, from 1 s to 366 days.
	EverySeconds *float64 `json:"every_seconds,omitempty"`
	// Timezone is where the cron line is read, by its IANA name; UTC if absent.
	Timezone string `json:"timezone,omitempty"`
	// JitterSeconds moves each tick by up to so much, at most by the interval.
	JitterSeconds *float64 `json:"jitter_seconds,omitempty"`
	// Start and End bound the ticks, both included.
	Start *time.Time `json:"start,omitempty"`
	End   *time.Time `json:"end,omitempty"`
	// Overlap is allow (the default), skip or replace.
	Overlap string `json:"overlap,omitempty"`
	// Missed is one (the default), skip or all; MaxMissed goes with all, and is 100 if
	// absent.
	Missed    string `json:"missed,omitempty"`
	MaxMissed *int   `json:"max_missed,omitempty"`
	// Task is a CreateTask. It is required.
	Task json.RawMessage `json:"task"`
}

// Schedule is a schedule as the API shows it.
type Schedule struct {
	Name          string     `json:"name"`
	Cron          string     `json:"cron,omitempty"`
	EverySeconds  *float64   `json:"every_seconds,omitempty"`
	Timezone      string     `json:"timezone"`
	JitterSeconds float64    `json:"jitter_seconds"`
	Start         *time.Time `json:"start"`
	End           *time.Time `json:"end"`
	Overlap       string     `json:"overlap"`
	Missed        string     `json:"missed"`
	// MaxMissed is there with the policy all.
	MaxMissed int             `json:"max_missed,omitempty"`
	Task      json.RawMessage `json:"task"`
	Paused    bool            `json:"paused"`
	PausedAt  *time.Time      `json:"paused_at"`
	CreatedAt *time.Time      `json:"created_at"`
	UpdatedAt *time.Time      `json:"updated_at"`
	// NextFiringAt is null for a schedule that is paused or has no more ticks.
	NextFiringAt *time.Time `json:"next_firing_at"`
	LastFiring   *Firing    `json:"last_firing"`
	// NextFirings are the next five, Firings the last twenty, the newest first. They are
	// there where one schedule is shown, not in lists.
	NextFirings []time.Time `json:"next_firings,omitempty"`
	Firings     []Firing    `json:"firings,omitempty"`
}

// Firing is what became of a tick.
type Firing struct {
	Tick   *time.Time `json:"tick"`
	TaskID uuid.UUID  `json:"task_id"`
	// Outcome is fired, skipped, missed or failed.
	Outcome string `json:"outcome"`
	// Manual is whether a person asked for it.
	Manual bool `json:"manual"`
	// Detail says why it was not fired, else "".
	Detail string     `json:"detail"`
	At     *time.Time `json:"at"`
}

// ScheduleList is one page of schedules, by name.
type ScheduleList struct {
	Schedules []Schedule `json:"schedules"`
	// NextCursor continues the list; null on the last page.
	NextCursor *string `json:"next_cursor"`
}
