package layout

// A script that looks through a key does so in pages, so that it takes a few milliseconds.
const (
	// PageSize is how many members it looks at, at most, and MinPage how many at least.
	PageSize = 500
	MinPage  = 10
	// pageBytes is about how many bytes of records it reads.
	pageBytes = 256 << 10
)

// NextPage is the size of the page after one of this size that had so many bytes.
func NextPage(size int, bytes int64) int {
	fitting := PageSize
	if bytes > 0 {
		fitting = int(int64(size) * pageBytes / bytes)
	}
	// Not at once to the largest: one page says little of the next.
	return max(MinPage, min(fitting, 2*size, PageSize))
}
