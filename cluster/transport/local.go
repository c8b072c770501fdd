package transport

// local carries the calls of a node to itself on one lane. They go through a
// queue like all others, so that neither the handler nor the callback runs
// before Call has returned.
type local struct {
	outbox
	t *Transport
}

func (l *local) run() {
	defer l.close()
	var batch []*call
	for {
		batch = l.take(batch[:0])
		for _, c := range batch {
			l.t.dispatch(l.to, c.method, c.group, c.body, func(body []byte, err error) {
				if l.claim(c.id) != nil {
					l.end(c, body, err)
				}
			})
		}
		if len(batch) > 0 {
			clear(batch)
			continue
		}
		select {
		case <-l.wake:
		case <-l.t.ctx.Done():
			return
		}
	}
}
