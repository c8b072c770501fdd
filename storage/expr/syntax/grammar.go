package syntax

// The grammar of all expressions. Words in capitals are keywords in any case.
//
//	condition   = conjunction { OR conjunction }
//	conjunction = negation { AND negation }
//	negation    = NOT negation | primary
//	primary     = operand ( "=" | "<>" | "<" | "<=" | ">" | ">=" ) operand
//	            | operand BETWEEN operand AND operand
//	            | operand IN "(" operand { "," operand } ")"
//	            | call
//	            | "(" condition ")"
//	operand     = path | value | call | "(" operand ")"
//	call        = identifier "(" operand { "," operand } ")"
//	path        = ( step | "(" path ")" ) { "." step | "[" integer "]" }
//	step        = identifier | "#" word
//	value       = ":" word
//
//	update      = clause { clause }
//	clause      = SET set { "," set }
//	            | REMOVE path { "," path }
//	            | ( ADD | DELETE ) path value { "," path value }
//	set         = path "=" sum
//	sum         = operand [ ( "+" | "-" ) operand ] | "(" sum ")"
//
//	projection  = path { "," path }
//
// A path begins with a parenthesis in conditions only. Two parentheses around
// the same thing are refused as redundant.
//
// A parenthesis may open a condition or an operand. What is in it is read as
// either, and the token after it decides, so nothing is read twice.

// condition is the rule of conditions, filters and key conditions.
func (p *parser) condition() int {
	n := p.disjunction()
	p.requireCondition(n)
	return n
}

// disjunction reads a condition, or a lone operand.
func (p *parser) disjunction() int { return p.chain(KeyOr, NodeOr, (*parser).conjunction) }

func (p *parser) conjunction() int { return p.chain(KeyAnd, NodeAnd, (*parser).negation) }

// chain reads what a rule reads, joined by an operator into one node.
func (p *parser) chain(operator TokenKind, k NodeKind, rule func(*parser) int) int {
	first := rule(p)
	if !p.is(operator) {
		return first
	}
	p.requireCondition(first)
	parent := p.add(k, p.at, first)
	for last := first; p.is(operator); {
		p.operator()
		next := rule(p)
		p.requireCondition(next)
		last = p.link(parent, last, next)
	}
	return parent
}

func (p *parser) negation() int {
	if !p.is(KeyNot) {
		return p.primary()
	}
	token := p.operator()
	p.enter()
	defer p.leave()
	n := p.negation()
	p.requireCondition(n)
	return p.add(NodeNot, token, n)
}

func (p *parser) primary() int {
	var left int
	if p.is(SymOpen) {
		left = p.parenthesis((*parser).disjunction)
		left = p.grouped(left)
	} else {
		left = p.operand()
	}
	switch k := p.tokens[p.at].kind; k {
	case SymEQ, SymNE, SymLT, SymLE, SymGT, SymGE:
		p.requireOperand(left)
		token := p.operator()
		return p.add(NodeCompare, token, left, p.operand())
	case KeyBetween:
		p.requireOperand(left)
		token := p.operator()
		low := p.operand()
		p.expect(KeyAnd)
		return p.add(NodeBetween, token, left, low, p.operand())
	case KeyIn:
		p.requireOperand(left)
		n := p.add(NodeIn, p.operator(), left)
		p.expect(SymOpen)
		p.list(n, left)
		p.expect(SymClose)
		return n
	}
	return left
}

// list reads operands as the children of parent, after its child last.
func (p *parser) list(parent, last int) {
	last = p.link(parent, last, p.operand())
	for p.accept(SymComma) {
		last = p.link(parent, last, p.operand())
	}
}

// parenthesis reads "(", what a rule reads, and ")". DynamoDB refuses two
// parentheses around the same thing as soon as it has read the outer one.
func (p *parser) parenthesis(rule func(*parser) int) int {
	p.enter()
	defer p.leave()
	token := p.take()
	inner := rule(p)
	p.expect(SymClose)
	if p.err == nil && p.nodes[inner].Kind == NodeParen {
		p.fail(p.Invalid("The expression has redundant parentheses;"))
	}
	return p.add(NodeParen, token, inner)
}

// grouped continues a path whose beginning stands in parentheses: (a.b).c.
func (p *parser) grouped(n int) int {
	inner := p.nodes[n].first
	if p.Field == UpdateExpression || p.nodes[inner].Kind != NodePath || !p.is(SymDot) && !p.is(SymOpenIndex) {
		return n
	}
	p.steps()
	p.nodes[inner].End = p.at
	return inner
}

func (p *parser) operand() int {
	switch {
	case p.is(Value):
		return p.add(NodeValue, p.take())
	case p.is(SymOpen):
		return p.grouped(p.parenthesis((*parser).operand))
	case p.is(Ident) && p.follows(SymOpen):
		return p.call()
	}
	return p.path()
}

func (p *parser) call() int {
	n := p.add(NodeCall, p.operator())
	p.enter()
	defer p.leave()
	p.expect(SymOpen)
	p.list(n, 0)
	p.expect(SymClose)
	return n
}

func (p *parser) path() int {
	n := p.add(NodePath, p.at)
	p.step()
	p.steps()
	p.nodes[n].End = p.at
	return n
}

func (p *parser) step() {
	if !p.accept(Ident) {
		p.expect(Name)
	}
}

func (p *parser) steps() {
	for {
		switch {
		case p.accept(SymDot):
			p.step()
		case p.accept(SymOpenIndex):
			p.expect(Integer)
			p.expect(SymCloseIndex)
		default:
			return
		}
	}
}

// requireCondition refuses a lone operand where a condition must stand. A call
// may be either: which function it is decides later.
func (p *parser) requireCondition(n int) {
	switch p.nodes[p.Unwrap(n)].Kind {
	case NodePath, NodeValue:
		p.unexpected()
	}
}

// requireOperand refuses a condition where an operand must stand.
func (p *parser) requireOperand(n int) {
	switch p.nodes[p.Unwrap(n)].Kind {
	case NodePath, NodeValue, NodeCall:
	default:
		p.unexpected()
	}
}

// projection is the rule of projection expressions.
func (p *parser) projection() int {
	n := p.add(NodeList, p.at)
	last := p.link(n, 0, p.path())
	for p.accept(SymComma) {
		last = p.link(n, last, p.path())
	}
	return n
}

// update is the rule of update expressions. Its children are the actions, each
// with the token of its clause's verb.
func (p *parser) update() int {
	n := p.add(NodeList, p.at)
	for last := 0; ; {
		verb := p.at
		var action func(*parser, int) int
		switch p.tokens[verb].kind {
		case KeySet:
			action = (*parser).set
		case KeyRemove:
			action = (*parser).remove
		case KeyAdd, KeyDelete:
			action = (*parser).change
		default:
			p.unexpected()
			return n
		}
		p.take()
		last = p.link(n, last, action(p, verb))
		for p.accept(SymComma) {
			last = p.link(n, last, action(p, verb))
		}
		if p.is(EOF) {
			return n
		}
	}
}

func (p *parser) set(verb int) int {
	path := p.path()
	p.expect(SymEQ)
	return p.add(NodeAction, verb, path, p.sum())
}

func (p *parser) sum() int {
	var left int
	if p.is(SymOpen) {
		left = p.parenthesis((*parser).sum)
		if p.nodes[p.Unwrap(left)].Kind == NodeArithmetic {
			return left
		}
	} else {
		left = p.operand()
	}
	if !p.is(SymPlus) && !p.is(SymMinus) {
		return left
	}
	token := p.operator()
	return p.add(NodeArithmetic, token, left, p.operand())
}

func (p *parser) remove(verb int) int { return p.add(NodeAction, verb, p.path()) }

func (p *parser) change(verb int) int {
	path := p.path()
	operand := p.add(NodeValue, p.at)
	p.expect(Value)
	return p.add(NodeAction, verb, path, operand)
}
