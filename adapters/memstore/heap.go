package memstore

import (
	"maps"
	"slices"
)

// heapSlack is how many stale items a heap may have in any case.
const heapSlack = 64

// heap is a binary heap: peek and pop give the least item by compare. Items become stale
// where they are; peek drops those that it meets, and trim the others.
type heap[T comparable] struct {
	items   []T
	compare func(a, b T) int
	// live reports whether an item is not stale; at most most() different ones are live.
	live func(v T) bool
	most func() int
	kept int // the length when it was last rebuilt
}

func newHeap[T comparable](compare func(a, b T) int, live func(v T) bool, most func() int) *heap[T] {
	return &heap[T]{compare: compare, live: live, most: most}
}

// peek returns the least item that is live.
func (h *heap[T]) peek() (T, bool) {
	for len(h.items) > 0 {
		if h.live(h.items[0]) {
			return h.items[0], true
		}
		h.pop()
	}
	var none T
	return none, false
}

// trim rebuilds the heap without its stale and repeated items, when it is more than
// twice as long as it can be or was without them.
func (h *heap[T]) trim() {
	if len(h.items) <= 2*min(h.kept, h.most())+heapSlack {
		return
	}
	live := map[T]struct{}{}
	for _, v := range h.items {
		if h.live(v) {
			live[v] = struct{}{}
		}
	}
	h.items = slices.SortedFunc(maps.Keys(live), h.compare) // What is sorted is a heap.
	h.kept = len(h.items)
}

// push adds an item, which need not be live yet.
func (h *heap[T]) push(v T) {
	h.trim()
	h.items = append(h.items, v)
	for i := len(h.items) - 1; i > 0; {
		parent := (i - 1) / 2
		if h.compare(h.items[i], h.items[parent]) >= 0 {
			return
		}
		h.items[i], h.items[parent] = h.items[parent], h.items[i]
		i = parent
	}
}

// pop removes the least item. The heap must not be empty.
func (h *heap[T]) pop() T {
	least := h.items[0]
	n := len(h.items) - 1
	h.items[0] = h.items[n]
	var none T
	h.items[n] = none
	h.items = h.items[:n]
	for i := 0; ; {
		child := 2*i + 1
		if child >= n {
			return least
		}
		if right := child + 1; right < n && h.compare(h.items[right], h.items[child]) < 0 {
			child = right
		}
		if h.compare(h.items[i], h.items[child]) <= 0 {
			return least
		}
		h.items[i], h.items[child] = h.items[child], h.items[i]
		i = child
	}
}
