package expr

import (
	"iter"

	"github.com/roundtabledb/roundtable/storage"
)

// Limits of the language, from the Amazon DynamoDB Developer Guide ("Quotas",
// expression parameters).
const (
	maxSourceBytes = 4096
	maxOperators   = 300
	maxOperandsIn  = 100
	maxPathSteps   = 32
	maxListIndex   = 1<<31 - 1
)

// maxNesting bounds the recursion of the parser. Between two parentheses that
// are not redundant stands an operator, so nothing valid comes near it.
const maxNesting = 2 * maxOperators

// nodeKind is what a node of the syntax tree is.
type nodeKind uint8

const (
	nodeOr nodeKind = iota
	nodeAnd
	nodeNot
	nodeCompare
	nodeBetween
	nodeIn
	nodeCall
	nodePath
	nodeValue
	nodeParen
	nodeArithmetic
	nodeAction // of an update: the path, and what there is after it
)

// node is a node of the syntax tree. Its children are linked by index into
// parser.nodes; index 0 is no node.
type node struct {
	kind  nodeKind
	token int // operator, function, value, first token of a path, verb
	end   int // after the last token of a path
	first int // child
	next  int // sibling
}

// parser turns the text of one expression into a syntax tree. The first error
// moves it to the end of the text, where every rule ends soon.
type parser struct {
	field     string // the parameter that holds the expression
	src       string
	tokens    []token
	at        int
	nodes     []node
	operators int
	nesting   int
	err       error
}

// parse reads src with a rule and checks that nothing follows.
func parse(field, src string, rule func(*parser) int) (*parser, int, error) {
	p := &parser{field: field, src: src}
	switch {
	case src == "":
		return nil, 0, p.invalid("The expression can not be empty;")
	case len(src) > maxSourceBytes && field == updateField:
		return nil, 0, p.invalid("Expression size has exceeded the maximum allowed size;")
	case len(src) > maxSourceBytes:
		return nil, 0, p.invalid("Expression size has exceeded the maximum allowed size; expression size: %d", len(src))
	}
	p.tokens = lex(make([]token, 0, 24), src)
	p.nodes = make([]node, 1, 1+len(p.tokens))
	root := rule(p)
	p.expect(eof)
	if p.err == nil && p.operators > maxOperators {
		p.err = p.tooManyOperators()
	}
	if p.err != nil {
		return nil, 0, p.err
	}
	return p, root, nil
}

// invalid is an error about the expression.
func (p *parser) invalid(format string, args ...any) error {
	return storage.Validationf("Invalid "+p.field+": "+format, args...)
}

// tooManyOperators is DynamoDB's error, which does not count further.
func (p *parser) tooManyOperators() error {
	return p.invalid("The expression contains too many operators; operator count: %d", maxOperators+1)
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
	p.at = len(p.tokens) - 1
}

// unexpected fails at the current token. DynamoDB shows the text from the
// token before to the token after.
func (p *parser) unexpected() {
	t := p.tokens[p.at]
	text := p.src[t.start:t.end]
	if t.kind == eof {
		text = "<EOF>"
	}
	from, to := p.tokens[max(0, p.at-1)].start, p.tokens[min(p.at+1, len(p.tokens)-1)].end
	p.fail(p.invalid(`Syntax error; token: "%s", near: "%s"`, text, p.src[from:to]))
}

func (p *parser) is(k kind) bool { return p.tokens[p.at].kind == k }

// follows reports whether a token of kind k comes after the current one.
func (p *parser) follows(k kind) bool {
	return p.at+1 < len(p.tokens) && p.tokens[p.at+1].kind == k
}

// take is the index of the current token, which it goes past.
func (p *parser) take() int {
	if p.at == len(p.tokens)-1 {
		return p.at
	}
	p.at++
	return p.at - 1
}

// operator is take of an operator or a function, which it counts.
func (p *parser) operator() int {
	p.operators++
	return p.take()
}

// accept goes past the current token if it is of kind k.
func (p *parser) accept(k kind) bool {
	if !p.is(k) {
		return false
	}
	p.take()
	return true
}

// expect goes past a token of kind k, which must come.
func (p *parser) expect(k kind) {
	if !p.accept(k) {
		p.unexpected()
	}
}

// text is what a token is in the expression.
func (p *parser) text(token int) string {
	t := p.tokens[token]
	return p.src[t.start:t.end]
}

// add adds a node with children.
func (p *parser) add(k nodeKind, token int, children ...int) int {
	p.nodes = append(p.nodes, node{kind: k, token: token})
	parent := len(p.nodes) - 1
	last := 0
	for _, child := range children {
		last = p.link(parent, last, child)
	}
	return parent
}

// link makes child the sibling after last, or the first child of parent when
// last is 0, and returns child.
func (p *parser) link(parent, last, child int) int {
	if last == 0 {
		p.nodes[parent].first = child
	} else {
		p.nodes[last].next = child
	}
	return child
}

// children is the children of a node in order.
func (p *parser) children(parent int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for n := p.nodes[parent].first; n != 0; n = p.nodes[n].next {
			if !yield(n) {
				return
			}
		}
	}
}

// unwrap is what is in a node's parentheses, if it has any.
func (p *parser) unwrap(n int) int {
	for p.nodes[n].kind == nodeParen {
		n = p.nodes[n].first
	}
	return n
}

// enter bounds the recursion; leave is called on the way back.
func (p *parser) enter() {
	p.nesting++
	switch {
	case p.nesting <= maxNesting:
	case p.operators > maxOperators:
		p.fail(p.tooManyOperators())
	default:
		p.unexpected()
	}
}

func (p *parser) leave() { p.nesting-- }
