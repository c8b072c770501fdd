package group

import (
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
)

// announceAfter is how long after a commit, if nothing is proposed meanwhile,
// the followers are told of it.
const announceAfter = 20 * time.Millisecond

// news is a commit that followers may not have heard of. Raft tells them with
// the next entry, or else after its CommitTimeout. That is what most of the
// traffic of idle groups consists of, so it is long; and until then an eventually
// consistent read at a follower would miss the last write before a pause.
type news struct {
	index uint64 // 0 when there are none
	timer *time.Timer
}

func (n *news) add(index uint64) {
	n.index = index
	if n.timer == nil {
		n.timer = time.NewTimer(announceAfter)
	} else {
		n.timer.Reset(announceAfter)
	}
}

// due returns a channel that says when to announce the news, nil if there are
// none.
func (n *news) due() <-chan time.Time {
	if n.index == 0 {
		return nil
	}
	return n.timer.C
}

func (n *news) forget() {
	if n.timer != nil {
		n.timer.Stop()
	}
	n.index = 0
}

// announce tells the other peers how far the log is committed, with a request
// like those that Raft sends: from the leader of the term, without entries, on
// top of an entry of that term which is known to be committed. Whatever has
// become of the leader meanwhile, each word of it stays true, and a peer that
// does not have the entry yet refuses it.
func (p *proposer) announce() {
	index := p.news.index
	p.news.forget()
	future := p.raft.GetConfiguration()
	if p.opts.Announce == nil || future.Error() != nil {
		return
	}
	self := []byte(p.opts.Peer.String())
	for _, server := range future.Configuration().Servers {
		peer, err := cluster.ParsePeerID(string(server.ID))
		if err != nil || peer == p.opts.Peer {
			continue
		}
		p.opts.Announce(peer, &raft.AppendEntriesRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: self, Addr: self},
			Term:      p.term, PrevLogEntry: index, PrevLogTerm: p.term, LeaderCommitIndex: index,
		})
	}
}
