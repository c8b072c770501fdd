package member

import "github.com/hashicorp/memberlist"

// Transport carries gossip. It has a name here so that whoever passes one on
// need not know the library.
type Transport = memberlist.Transport
