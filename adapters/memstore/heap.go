package memstore

// heap is a binary heap: peek and pop give the least item by compare.
type heap[T any] struct {
	items   []T
	compare func(a, b T) int
}

func newHeap[T any](compare func(a, b T) int) *heap[T] { return &heap[T]{compare: compare} }

func (h *heap[T]) peek() (T, bool) {
	if len(h.items) == 0 {
		var none T
		return none, false
	}
	return h.items[0], true
}

func (h *heap[T]) push(v T) {
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
