package expr

// The grammar of all expressions. Words in capitals are keywords in any case.
//
//	condition  = conjunction { OR conjunction }
//	conjunction = negation { AND negation }
//	negation   = NOT negation | primary
//	primary    = operand ( "=" | "<>" | "<" | "<=" | ">" | ">=" ) operand
//	           | operand BETWEEN operand AND operand
//	           | operand IN "(" operand { "," operand } ")"
//	           | call
//	           | "(" condition ")"
//	operand    = path | value | call | "(" operand ")"
//	call       = identifier "(" operand { "," operand } ")"
//	path       = step { "." step | "[" integer "]" }
//	step       = identifier | "#" word
//
//	update     = clause { clause }
//	clause     = SET set { "," set }
//	           | REMOVE path { "," path }
//	           | ( ADD | DELETE ) path value { "," path value }
//	set        = path "=" sum
//	sum        = operand [ ( "+" | "-" ) operand ] | "(" sum ")"
//
//	projection = path { "," path }
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
func (p *parser) disjunction() int { return p.chain(keyOr, nodeOr, (*parser).conjunction) }

func (p *parser) conjunction() int { return p.chain(keyAnd, nodeAnd, (*parser).negation) }

// chain reads what a rule reads, joined by an operator into one node.
func (p *parser) chain(operator kind, k nodeKind, rule func(*parser) int) int {
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
	if !p.is(keyNot) {
		return p.primary()
	}
	token := p.operator()
	p.enter()
	defer p.leave()
	n := p.negation()
	p.requireCondition(n)
	return p.add(nodeNot, token, n)
}

func (p *parser) primary() int {
	var left int
	if p.is(symOpen) {
		left = p.parenthesis((*parser).disjunction)
		left = p.grouped(left)
	} else {
		left = p.operand()
	}
	switch k := p.tokens[p.at].kind; k {
	case symEQ, symNE, symLT, symLE, symGT, symGE:
		p.requireOperand(left)
		token := p.operator()
		return p.add(nodeCompare, token, left, p.operand())
	case keyBetween:
		p.requireOperand(left)
		token := p.operator()
		low := p.operand()
		p.expect(keyAnd)
		return p.add(nodeBetween, token, left, low, p.operand())
	case keyIn:
		p.requireOperand(left)
		n := p.add(nodeIn, p.operator(), left)
		p.expect(symOpen)
		p.list(n, left)
		p.expect(symClose)
		return n
	}
	return left
}

// list reads operands as the children of parent, after its child last.
func (p *parser) list(parent, last int) {
	last = p.link(parent, last, p.operand())
	for p.accept(symComma) {
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
	p.expect(symClose)
	if p.err == nil && p.nodes[inner].kind == nodeParen {
		p.fail(p.invalid("The expression has redundant parentheses;"))
	}
	return p.add(nodeParen, token, inner)
}

// grouped continues a path whose beginning stands in parentheses: (a.b).c.
func (p *parser) grouped(n int) int {
	inner := p.nodes[n].first
	if p.field == updateField || p.nodes[inner].kind != nodePath || !p.is(symDot) && !p.is(symOpenIndex) {
		return n
	}
	p.steps()
	p.nodes[inner].end = p.at
	return inner
}

func (p *parser) operand() int {
	switch {
	case p.is(value):
		return p.add(nodeValue, p.take())
	case p.is(symOpen):
		return p.grouped(p.parenthesis((*parser).operand))
	case p.is(ident) && p.follows(symOpen):
		return p.call()
	}
	return p.path()
}

func (p *parser) call() int {
	n := p.add(nodeCall, p.operator())
	p.enter()
	defer p.leave()
	p.expect(symOpen)
	p.list(n, 0)
	p.expect(symClose)
	return n
}

func (p *parser) path() int {
	n := p.add(nodePath, p.at)
	p.step()
	p.steps()
	p.nodes[n].end = p.at
	return n
}

func (p *parser) step() {
	if !p.accept(ident) {
		p.expect(name)
	}
}

func (p *parser) steps() {
	for {
		switch {
		case p.accept(symDot):
			p.step()
		case p.accept(symOpenIndex):
			p.expect(integer)
			p.expect(symCloseIndex)
		default:
			return
		}
	}
}

// requireCondition refuses a lone operand where a condition must stand. A call
// may be either: which function it is decides later.
func (p *parser) requireCondition(n int) {
	switch p.nodes[p.unwrap(n)].kind {
	case nodePath, nodeValue:
		p.unexpected()
	}
}

// requireOperand refuses a condition where an operand must stand.
func (p *parser) requireOperand(n int) {
	switch p.nodes[p.unwrap(n)].kind {
	case nodePath, nodeValue, nodeCall:
	default:
		p.unexpected()
	}
}

// projection is the rule of projection expressions.
func (p *parser) projection() int {
	n := p.add(nodeAction, p.at)
	last := p.link(n, 0, p.path())
	for p.accept(symComma) {
		last = p.link(n, last, p.path())
	}
	return n
}

// update is the rule of update expressions. Its children are the actions, each
// with the token of its clause's verb.
func (p *parser) update() int {
	n := p.add(nodeAction, p.at)
	for last := 0; ; {
		verb := p.at
		var action func(*parser, int) int
		switch p.tokens[verb].kind {
		case keySet:
			action = (*parser).set
		case keyRemove:
			action = (*parser).remove
		case keyAdd, keyDelete:
			action = (*parser).change
		default:
			p.unexpected()
			return n
		}
		p.take()
		last = p.link(n, last, action(p, verb))
		for p.accept(symComma) {
			last = p.link(n, last, action(p, verb))
		}
		if p.is(eof) {
			return n
		}
	}
}

func (p *parser) set(verb int) int {
	path := p.path()
	p.expect(symEQ)
	return p.add(nodeAction, verb, path, p.sum())
}

func (p *parser) sum() int {
	var left int
	if p.is(symOpen) {
		left = p.parenthesis((*parser).sum)
		if p.nodes[p.unwrap(left)].kind == nodeArithmetic {
			return left
		}
	} else {
		left = p.operand()
	}
	if !p.is(symPlus) && !p.is(symMinus) {
		return left
	}
	token := p.operator()
	return p.add(nodeArithmetic, token, left, p.operand())
}

func (p *parser) remove(verb int) int { return p.add(nodeAction, verb, p.path()) }

func (p *parser) change(verb int) int {
	path := p.path()
	operand := p.add(nodeValue, p.at)
	p.expect(value)
	return p.add(nodeAction, verb, path, operand)
}
