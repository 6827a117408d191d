package redact

// view is a text as a reader would understand it.
type view struct {
	text string
}

func (v *view) of(text string) *view { v.text = text; return v }

// source returns the place in the text that a place of the view stands for.
func (v *view) source(at int) int { return at }
