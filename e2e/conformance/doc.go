// Package conformance says what DynamoDB answers, as tables of requests and
// answers that are played over HTTP against a live endpoint.
//
// The tables are the files of cases, one an operation or a subject. A case is a
// title and one or more requests, each with the answer that belongs to it:
//
//	table conf-put pk:S sk:N
//
//	== a Put answers nothing
//	PutItem {"TableName":"conf-put","Item":{"pk":{"S":"a"},"sk":{"N":"1"}}}
//	200 {}
//
//	== the sort key must be there
//	PutItem {"TableName":"conf-put",
//	  "Item":{"pk":{"S":"a"}}}
//	400 ValidationException One or more parameter values were invalid: Missing the key sk in the item
//
// A line that begins with "table" makes a table for its file, empty. A request
// goes
// on over lines that begin with a blank. Without an answer it has to succeed. An
// answer is one of
//
//	200                     an answer without a body
//	200 {json}              these members and no others
//	200 has {json}          at least these members, at every depth
//	200 unordered {json}    as 200, but no array has an order
//	400 Type text           this exception and exactly this text
//	400 Type text...        this exception and a text that begins so
//	400 Type *              this exception and any text
//	400 Type {json}         this exception with these members besides __type
//
// and "or" before a further answer allows that, too. In answers the JSON string
// "$any" stands for any value, null for no member at all, and sets have no order.
// In requests and answers <<3: x>> stands for xxx, <<3, x>> for x,x,x, a %d in
// them for 0, 1, 2; in requests $prev.Member stands for a member of the answer
// before.
//
// By default the endpoint is a node in this process. ENDPOINT=http://host:port
// names another, also the real service: requests are signed for AWS_REGION with
// the credentials of the environment, if there are any.
package conformance
