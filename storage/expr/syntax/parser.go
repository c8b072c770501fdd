package syntax

// Condition reads a condition, a filter or a key condition.
func Condition(field, src string) (*Tree, error) { return parse(field, src, (*parser).condition) }

// Update reads an update.
func Update(src string) (*Tree, error) { return parse(UpdateExpression, src, (*parser).update) }

// Projection reads a projection.
func Projection(src string) (*Tree, error) {
	return parse(ProjectionExpression, src, (*parser).projection)
}

// parser makes a tree. The first error moves it to the end of the expression,
// where every rule ends soon.
type parser struct {
	Tree
	at        int // token
	operators int
	nesting   int
	err       error
}

// parse reads src with a rule and checks that nothing follows.
func parse(field, src string, rule func(*parser) int) (*Tree, error) {
	p := &parser{Tree: Tree{Field: field, src: src}}
	switch {
	case src == "":
		return nil, p.Invalid("The expression can not be empty;")
	case len(src) > MaxBytes && (field == ConditionExpression || field == FilterExpression):
		return nil, p.Invalid("Expression size has exceeded the maximum allowed size; expression size: %d", len(src))
	case len(src) > MaxBytes: // the service does not say the size of the others
		return nil, p.Invalid("Expression size has exceeded the maximum allowed size;")
	}
	p.tokens = lex(make([]token, 0, 24), src)
	p.nodes = make([]Node, 1, 1+len(p.tokens))
	p.Root = rule(p)
	p.expect(EOF)
	if p.operators > MaxOperators {
		p.fail(p.tooManyOperators())
	}
	if p.err != nil {
		return nil, p.err
	}
	return &p.Tree, nil
}

// tooManyOperators is DynamoDB's error, which does not count further.
func (p *parser) tooManyOperators() error {
	return p.Invalid("The expression contains too many operators; operator count: %d", MaxOperators+1)
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
	text := p.Text(p.at)
	if p.is(EOF) {
		text = "<EOF>"
	}
	from, to := p.tokens[max(0, p.at-1)].start, p.tokens[min(p.at+1, len(p.tokens)-1)].end
	p.fail(p.Invalid(`Syntax error; token: "%s", near: "%s"`, text, p.src[from:to]))
}

func (p *parser) is(k TokenKind) bool { return p.tokens[p.at].kind == k }

// follows reports whether a token of kind k comes after the current one.
func (p *parser) follows(k TokenKind) bool {
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
func (p *parser) accept(k TokenKind) bool {
	if !p.is(k) {
		return false
	}
	p.take()
	return true
}

// expect goes past a token of kind k, which must come.
func (p *parser) expect(k TokenKind) {
	if !p.accept(k) {
		p.unexpected()
	}
}

// add adds a node with children.
func (p *parser) add(k NodeKind, token int, children ...int) int {
	p.nodes = append(p.nodes, Node{Kind: k, Token: token})
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

// enter bounds the recursion; leave is called on the way back.
func (p *parser) enter() {
	p.nesting++
	switch {
	case p.nesting <= maxNesting:
	case p.operators > MaxOperators:
		p.fail(p.tooManyOperators())
	default:
		p.unexpected()
	}
}

func (p *parser) leave() { p.nesting-- }
