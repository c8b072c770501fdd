package transport

import (
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/roundtabledb/roundtable/cluster"
	"github.com/roundtabledb/roundtable/cluster/transport/wire"
	"github.com/roundtabledb/roundtable/storage"
)

// pipelineWindow is how many parts of AppendEntries requests a pipeline has
// under way. A full window makes the leader gather more entries a request,
// which is cheaper than more requests.
const pipelineWindow = 16

// pipeline sends AppendEntries requests to one peer without waiting for the
// answers, and delivers the answers in order.
//
// Raft takes every future that a pipeline delivers for contact with the peer
// and for its answer, without asking for its error. So only futures with an
// answer are delivered. After the first error none is, and the next
// AppendEntries fails, whereupon Raft closes the pipeline and starts over from
// the last entry that the peer has confirmed.
type pipeline struct {
	g    *GroupTransport
	peer cluster.PeerID
	// window has an element for each part under way.
	window chan struct{}
	// done takes what Raft has not consumed yet. It has room to spare: Raft
	// consumes as long as it sends.
	done chan raft.AppendFuture
	// broken is closed with the first error, or by Close.
	broken chan struct{}

	mu struct {
		sync.Mutex
		// underWay are the requests without an answer, oldest first.
		underWay []*appendFuture
		// awaiting is set while the oldest has its answer, but its entries are not
		// durable here.
		awaiting bool
		// err is the first error. It is set before broken is closed.
		err error
	}
}

// appendFuture is a request in a pipeline. The pipeline's mutex guards it until
// it has ended.
type appendFuture struct {
	start time.Time
	args  *raft.AppendEntriesRequest
	resp  *raft.AppendEntriesResponse
	// parts counts those without an answer.
	parts int
	// refused is set when resp holds the first refusal of a part.
	refused bool
	err     error
	ended   chan struct{}
}

var (
	_ raft.AppendPipeline = (*pipeline)(nil)
	_ raft.AppendFuture   = (*appendFuture)(nil)
)

func newPipeline(g *GroupTransport, peer cluster.PeerID) *pipeline {
	return &pipeline{
		g: g, peer: peer,
		window: make(chan struct{}, pipelineWindow),
		done:   make(chan raft.AppendFuture, 4*pipelineWindow),
		broken: make(chan struct{}),
	}
}

// AppendEntries implements raft.AppendPipeline. It blocks while the window is
// full.
func (p *pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	parts := wire.SplitAppend(make([]wire.Part, 0, 1), args, maxAppend)
	f := &appendFuture{start: time.Now(), args: args, resp: resp, parts: len(parts), ended: make(chan struct{})}
	p.mu.Lock()
	if err := p.mu.err; err != nil {
		p.mu.Unlock()
		return nil, err
	}
	p.mu.underWay = append(p.mu.underWay, f)
	p.mu.Unlock()

	g := p.g
	head := g.head(p.peer, args.RPCHeader)
	for _, part := range parts {
		select {
		case p.window <- struct{}{}:
		case <-p.broken:
			return nil, p.failure()
		}
		body := wire.EncodeAppend(head, args.Term, part)
		// Also requests without entries go by the data lane: one that overtook
		// entries would be refused, and a refusal ends the pipeline.
		c := g.append(part, body)
		c.done = func(body []byte, err error) {
			p.answer(f, body, err)
			<-p.window
		}
		g.t.call(p.peer.Node, DataLane(g.group), g.appendTimeout(), c)
	}
	return f, nil
}

// answer takes the outcome of a part.
func (p *pipeline) answer(f *appendFuture, body []byte, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.err != nil {
		return
	}
	var r raft.AppendEntriesResponse
	if err == nil {
		err = wire.DecodeResponse(p.peer, body, &r)
	}
	if err != nil {
		p.failLocked(err)
		return
	}
	f.parts--
	if !f.refused {
		*f.resp = r
		f.refused = !r.Success
	}
	p.deliverLocked()
}

// deliverLocked delivers the requests that have an answer, oldest first, as far
// as their entries are durable here.
func (p *pipeline) deliverLocked() {
	for !p.mu.awaiting && len(p.mu.underWay) > 0 && p.mu.underWay[0].parts == 0 {
		oldest := p.mu.underWay[0]
		if !p.g.durable(oldest.args, p.resume) {
			p.mu.awaiting = true
			return
		}
		select {
		case p.done <- oldest:
		default:
			p.failLocked(storage.Errorf(storage.Internal, "nobody consumes the answers of the pipeline to %s", p.peer))
			return
		}
		p.mu.underWay[0] = nil
		p.mu.underWay = p.mu.underWay[1:]
		close(oldest.ended)
	}
}

// resume delivers what has waited for the log.
func (p *pipeline) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.awaiting = false
	if p.mu.err == nil {
		p.deliverLocked()
	}
}

// failLocked ends the pipeline with its first error.
func (p *pipeline) failLocked(err error) {
	p.mu.err = err
	for _, f := range p.mu.underWay {
		f.err = err
		close(f.ended)
	}
	p.mu.underWay = nil
	close(p.broken)
}

func (p *pipeline) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.err
}

// Consumer implements raft.AppendPipeline.
func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.done }

// Close implements raft.AppendPipeline. Answers that are still to come are
// ignored.
func (p *pipeline) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.err == nil {
		p.failLocked(errPipelineClosed)
	}
	return nil
}

var errPipelineClosed = errors.New("the pipeline is closed")

// Error implements raft.AppendFuture.
func (f *appendFuture) Error() error {
	<-f.ended
	return f.err
}

// Start implements raft.AppendFuture.
func (f *appendFuture) Start() time.Time { return f.start }

// Request implements raft.AppendFuture.
func (f *appendFuture) Request() *raft.AppendEntriesRequest { return f.args }

// Response implements raft.AppendFuture.
func (f *appendFuture) Response() *raft.AppendEntriesResponse { return f.resp }
