package builtin

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"logsift/adapters/builtin/mining"
	"logsift/domain"
)

// stateVersion is the first byte of a document: compressed JSON follows. It counts up
// when templates are made otherwise, for the old ones match no line then.
const stateVersion = 2

// maxDocument bounds the text of a document, unpacked.
const maxDocument = 16 << 20

// errStateVersion tells of a document that a newer logsift wrote, or none.
var errStateVersion = errors.New("the learned state was written by another version of logsift")

// The JSON of a document.
type (
	documentJSON struct {
		Batches uint64                     `json:"b"`
		Tasks   []domain.TaskID            `json:"t"`
		Sources map[string]sourceJSON      `json:"s"`
		Held    map[domain.TaskID][]uint64 `json:"h,omitempty"`
	}
	sourceJSON struct {
		Templates []byte                 `json:"t,omitempty"`
		Lines     int                    `json:"n"`
		Seconds   float64                `json:"s"`
		Minutes   int                    `json:"m"`
		Until     int64                  `json:"u"`
		Seen      uint64                 `json:"b"`
		Learned   []templateJSON         `json:"f"`
		All       int                    `json:"a,omitempty"`
		Suspects  []templateJSON         `json:"p,omitempty"`
		Hours     [24][2]float64         `json:"h"`
		Days      [7][2]float64          `json:"w"`
		Arrivals  []int64                `json:"r,omitempty"`
		Services  map[string][2]int      `json:"v"`
		Sessions  map[string]sessionJSON `json:"k,omitempty"`
	}
	templateJSON struct {
		Template uint64  `json:"t"`
		Service  string  `json:"v,omitempty"`
		Lines    int     `json:"n"`
		Level    uint8   `json:"l,omitempty"`
		Active   int     `json:"a,omitempty"`
		Squares  float64 `json:"q,omitempty"`
		Seen     uint64  `json:"b,omitempty"`
		// Window is since, start, lines and low of a window, or since, until, start and
		// cold of a suspect.
		Window [4]int64 `json:"w,omitzero"`
	}
	sessionJSON struct {
		Total   int            `json:"n"`
		Learned []templateJSON `json:"f"`
		Counts  map[uint64]int `json:"c"`
		Gaps    []gapJSON      `json:"g,omitempty"`
	}
	gapJSON struct {
		// From and To are places in the list of templates.
		From   int     `json:"f"`
		To     int     `json:"t"`
		N      int     `json:"n"`
		Median float32 `json:"m"`
		Spread float32 `json:"s"`
	}
)

// encode writes the document. If it is larger than a state may be, sources are
// forgotten until it is not.
func (d *document) encode() ([]byte, error) {
	for {
		data, err := d.pack()
		if err != nil || len(data) <= domain.MaxDocumentData || len(d.sources) < 2 {
			return data, err
		}
		names := slices.SortedFunc(maps.Keys(d.sources), func(a, b string) int {
			return cmp.Or(cmp.Compare(d.sources[b].seen, d.sources[a].seen), strings.Compare(a, b))
		})
		for _, name := range names[len(names)/2:] {
			delete(d.sources, name)
		}
	}
}

func (d *document) pack() ([]byte, error) {
	doc := documentJSON{Batches: d.batches, Tasks: d.tasks, Held: d.held, Sources: map[string]sourceJSON{}}
	for name, k := range d.sources {
		s := sourceJSON{
			Templates: k.snapshot, Lines: k.lines, Seconds: k.seconds, Minutes: k.minutes, Until: k.until, Seen: k.seen,
			Services: map[string][2]int{}, Sessions: map[string]sessionJSON{}, All: k.all, Arrivals: k.arrivals.pack(),
		}
		for h, x := range k.hours {
			s.Hours[h] = [2]float64{float64(x.lines), x.seconds}
		}
		for d, x := range k.days {
			s.Days[d] = [2]float64{float64(x.lines), x.seconds}
		}
		for _, id := range slices.SortedFunc(maps.Keys(k.templates), compareIDs) {
			x := k.templates[id]
			w := x.window
			s.Learned = append(s.Learned, packTemplate(id, x, [4]int64{w.since, int64(w.start), int64(w.lines), w.low}))
		}
		for _, id := range slices.SortedFunc(maps.Keys(k.suspects), compareIDs) {
			x := k.suspects[id]
			cold := int64(0)
			if x.cold {
				cold = 1
			}
			s.Suspects = append(s.Suspects, packTemplate(id, &x.learnedTemplate, [4]int64{x.since, x.until, int64(x.start), cold}))
		}
		for service, x := range k.services {
			s.Services[service] = [2]int{x.lines, x.troubled}
		}
		for kind, x := range k.sessions {
			j := sessionJSON{Total: x.total, Counts: x.sessionCounts}
			places := map[templateID]int{}
			for i, id := range slices.SortedFunc(maps.Keys(x.templates), compareIDs) {
				j.Learned = append(j.Learned, templateJSON{Template: uint64(id.template), Service: id.service, Lines: x.templates[id]})
				places[id] = i
			}
			for _, id := range slices.SortedFunc(maps.Keys(x.gaps), compareGaps) {
				from, ok1 := places[id.from]
				to, ok2 := places[id.to]
				if ok1 && ok2 { // it may be beyond the bound of templates
					gap := x.gaps[id]
					j.Gaps = append(j.Gaps, gapJSON{from, to, gap.n, float32(gap.median), float32(gap.spread)})
				}
			}
			s.Sessions[kind] = j
		}
		doc.Sources[name] = s
	}
	out := bytes.NewBuffer([]byte{stateVersion})
	w, err := flate.NewWriter(out, flate.BestSpeed)
	if err != nil {
		return nil, fmt.Errorf("write learned state: %w", err)
	}
	if err := errors.Join(json.NewEncoder(w).Encode(doc), w.Close()); err != nil {
		return nil, fmt.Errorf("write learned state: %w", err)
	}
	return out.Bytes(), nil
}

func packTemplate(id templateID, x *learnedTemplate, window [4]int64) templateJSON {
	return templateJSON{uint64(id.template), id.service, x.lines, uint8(x.level), x.active, x.squares, x.seen, window}
}

func (j *templateJSON) unpack() (templateID, learnedTemplate) {
	return templateID{mining.ID(j.Template), j.Service}, learnedTemplate{
		lines: j.Lines, level: domain.LogLevel(j.Level), active: j.Active, squares: j.Squares, seen: j.Seen,
	}
}

// pack writes the arrivals, and unpackArrivals reads them.
func (a arrivals) pack() []int64 {
	told := int64(0)
	if a.told {
		told = 1
	}
	return []int64{a.first, a.last, a.pause, int64(a.batches), told, int64(a.silences)}
}

func unpackArrivals(v []int64) arrivals {
	if len(v) != 6 {
		return arrivals{}
	}
	return arrivals{first: v[0], last: v[1], pause: v[2], batches: int(v[3]), told: v[4] > 0, silences: int(v[5])}
}

// decodeDocument reads what encode wrote. No data is an empty document, and so is what
// an earlier version wrote.
func decodeDocument(data []byte) (*document, error) {
	d := newDocument()
	if len(data) == 0 {
		return d, nil
	}
	switch version := data[0]; {
	case version >= 1 && version < stateVersion:
		d.outdated = true
		return d, nil
	case version != stateVersion:
		return nil, errStateVersion
	}
	var doc documentJSON
	if err := json.NewDecoder(io.LimitReader(flate.NewReader(bytes.NewReader(data[1:])), maxDocument)).Decode(&doc); err != nil {
		return nil, fmt.Errorf("read learned state: %w", err)
	}
	d.batches, d.tasks, d.held = doc.Batches, doc.Tasks, doc.Held
	for name, s := range doc.Sources {
		k := &learnedSource{
			snapshot: s.Templates, lines: s.Lines, seconds: s.Seconds, minutes: s.Minutes, until: s.Until, seen: s.Seen,
			all: max(s.All, s.Lines), arrivals: unpackArrivals(s.Arrivals), suspects: map[templateID]*suspect{},
			templates: map[templateID]*learnedTemplate{}, services: map[string]learnedService{}, sessions: map[string]*learnedSessions{},
		}
		for h, x := range s.Hours {
			k.hours[h] = slot{int(x[0]), x[1]}
		}
		for d, x := range s.Days {
			k.days[d] = slot{int(x[0]), x[1]}
		}
		for _, x := range s.Learned {
			id, t := x.unpack()
			t.window = window{x.Window[0], int(x.Window[1]), int(x.Window[2]), x.Window[3]}
			k.templates[id] = &t
		}
		for _, x := range s.Suspects {
			id, t := x.unpack()
			k.suspects[id] = &suspect{t, x.Window[0], x.Window[1], int(x.Window[2]), x.Window[3] > 0}
		}
		for service, x := range s.Services {
			k.services[service] = learnedService{x[0], x[1]}
		}
		for kind, x := range s.Sessions {
			j := &learnedSessions{total: x.Total, templates: map[templateID]int{}, sessionCounts: x.Counts, gaps: map[gapID]learnedGap{}}
			if j.sessionCounts == nil {
				j.sessionCounts = map[uint64]int{}
			}
			for _, t := range x.Learned {
				j.templates[templateID{mining.ID(t.Template), t.Service}] = t.Lines
			}
			for _, gap := range x.Gaps {
				if min(gap.From, gap.To) >= 0 && max(gap.From, gap.To) < len(x.Learned) {
					from, to := x.Learned[gap.From], x.Learned[gap.To]
					id := gapID{templateID{mining.ID(from.Template), from.Service}, templateID{mining.ID(to.Template), to.Service}}
					j.gaps[id] = learnedGap{gap.N, float64(gap.Median), float64(gap.Spread)}
				}
			}
			k.sessions[kind] = j
		}
		d.sources[name] = k
	}
	return d, nil
}
