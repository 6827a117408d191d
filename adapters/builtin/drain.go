package builtin

import "strings"

// template is a group of lines of one shape.
type template struct {
	tokens []string
	// lines are the places of its lines in the group, rising.
	lines []int32
}

// String joins the tokens.
func (t *template) String() string { return strings.Join(t.tokens, " ") }

// drain puts lines of one shape together, after He et al., ICWS 2017: a tree of
// fixed depth leads by the number of tokens and the first tokens to a few
// candidates, of which the most similar one is taken.
type drain struct {
	similarity   float64
	depth        int
	maxChildren  int
	maxTemplates int

	root      map[int]*node
	templates []*template
	// seen knows the template of a masked line that came before; most lines are
	// repeats. It is bounded by maxSeen.
	seen map[string]*template
	// rest takes the lines of new shapes when there are maxTemplates.
	rest *template
}

const maxSeen = 50_000

type node struct {
	children map[string]*node
	leaves   []*template
}

func newDrain(cfg Config) *drain {
	return &drain{
		similarity: cfg.SimilarityThreshold, depth: cfg.Depth, maxChildren: cfg.MaxChildren, maxTemplates: cfg.MaxTemplates,
		root: map[int]*node{}, seen: map[string]*template{},
	}
}

// add puts a masked line into its template and returns that.
func (d *drain) add(l *maskedLine, line int) *template {
	t, ok := d.seen[string(l.text)]
	if !ok {
		t = d.find(l)
		if len(d.seen) < maxSeen {
			d.seen[string(l.text)] = t
		}
	}
	t.lines = append(t.lines, int32(line))
	return t
}

func (d *drain) find(l *maskedLine) *template {
	text := string(l.text)
	tokens := make([]string, len(l.ends))
	begin := 0
	for i, end := range l.ends {
		tokens[i] = text[begin:end]
		begin = min(end+1, len(text))
	}
	n, ok := d.root[len(tokens)]
	if !ok {
		n = &node{children: map[string]*node{}}
		d.root[len(tokens)] = n
	}
	for _, token := range tokens[:min(d.depth, len(tokens))] {
		n = d.child(n, token)
	}
	var best *template
	bestScore := -1.0
	for _, t := range n.leaves {
		if score := similarity(t.tokens, tokens); score > bestScore {
			best, bestScore = t, score
		}
	}
	if best != nil && bestScore >= d.similarity {
		for i, token := range tokens {
			if best.tokens[i] != token {
				best.tokens[i] = wildcard
			}
		}
		return best
	}
	if len(d.templates) >= d.maxTemplates {
		if d.rest == nil {
			d.rest = &template{tokens: []string{wildcard}}
			d.templates = append(d.templates, d.rest)
		}
		return d.rest
	}
	t := &template{tokens: tokens}
	d.templates = append(d.templates, t)
	n.leaves = append(n.leaves, t)
	return t
}

// child returns the branch of a token. Tokens with a variable part share one, and
// so do those that come when a node has all the children it may have.
func (d *drain) child(n *node, token string) *node {
	if strings.Contains(token, wildcard) {
		token = wildcard
	}
	if c, ok := n.children[token]; ok {
		return c
	}
	if len(n.children) >= d.maxChildren {
		token = wildcard
		if c, ok := n.children[token]; ok {
			return c
		}
	}
	c := &node{children: map[string]*node{}}
	n.children[token] = c
	return c
}

// similarity is the share of tokens that are equal. Wildcards are equal to
// nothing but themselves, as in the paper's seqDist.
func similarity(a, b []string) float64 {
	if len(a) == 0 {
		return 1
	}
	same := 0
	for i := range a {
		if a[i] == b[i] {
			same++
		}
	}
	return float64(same) / float64(len(a))
}
