// Package syntax is the text of DynamoDB's expression language: it reads an
// expression into a tree of its syntax, or says with DynamoDB's own text where
// the expression is not one. The grammar is in grammar.go.
//
// It bounds what it reads: the length of an expression, the number of its
// operators and the depth of its nesting. It knows nothing of what names,
// values and functions mean; that is package expr's.
package syntax

import (
	"iter"

	"github.com/roundtabledb/roundtable/storage"
)

// The parameters that hold expressions, as errors name them.
const (
	ConditionExpression    = "ConditionExpression"
	FilterExpression       = "FilterExpression"
	KeyConditionExpression = "KeyConditionExpression"
	ProjectionExpression   = "ProjectionExpression"
	UpdateExpression       = "UpdateExpression"
)

// Limits of the language, from the Amazon DynamoDB Developer Guide ("Quotas",
// expression parameters).
const (
	MaxBytes     = 4096
	MaxOperators = 300
)

// maxNesting bounds the recursion of the parser. Between two parentheses that
// are not redundant stands an operator, so nothing valid comes near it.
const maxNesting = 2 * MaxOperators

// NodeKind is what a node of a tree is.
type NodeKind uint8

// The kinds of nodes.
const (
	NodeOr         NodeKind = iota // conditions
	NodeAnd                        // conditions
	NodeNot                        // condition
	NodeCompare                    // operand, operand
	NodeBetween                    // operand, low, high
	NodeIn                         // operand, operands
	NodeCall                       // arguments
	NodePath                       // none: see Node.Token and Node.End
	NodeValue                      // none
	NodeParen                      // what is in the parentheses
	NodeArithmetic                 // operand, operand
	NodeAction                     // of an update: path, and what follows it
	NodeList                       // the actions of an update, the paths of a projection
)

// Node is a node of a tree.
type Node struct {
	Kind NodeKind
	// Token is the index of the operator, the function, the value, the first
	// token of a path or the verb of an action.
	Token int
	// End is the index after the last token of a path.
	End int

	first, next int // child and sibling; 0 is none
}

// Tree is an expression read. Its tokens and nodes are known by their indexes.
type Tree struct {
	// Field is the parameter that holds the expression.
	Field string
	// Root is the index of the node that is the whole expression.
	Root int

	src    string
	tokens []token
	nodes  []Node // the first is none
}

// Invalid is an error about the expression.
func (t *Tree) Invalid(format string, args ...any) error {
	return storage.Validationf("Invalid "+t.Field+": "+format, args...)
}

// Len is the number of tokens.
func (t *Tree) Len() int { return len(t.tokens) }

// Token is the kind of a token.
func (t *Tree) Token(token int) TokenKind { return t.tokens[token].kind }

// Text is a token as it stands in the expression.
func (t *Tree) Text(token int) string { return t.src[t.tokens[token].start:t.tokens[token].end] }

// Node is a node.
func (t *Tree) Node(n int) Node { return t.nodes[n] }

// Children is the children of a node in order.
func (t *Tree) Children(parent int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for n := t.nodes[parent].first; n != 0; n = t.nodes[n].next {
			if !yield(n) {
				return
			}
		}
	}
}

// Unwrap is what is in a node's parentheses, if it has any.
func (t *Tree) Unwrap(n int) int {
	for t.nodes[n].Kind == NodeParen {
		n = t.nodes[n].first
	}
	return n
}
