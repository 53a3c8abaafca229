package bus

import (
	"context"
	"net"
	"sync"
)

// firstDial dials TCP. Until over, its dials and its connections end with ctx,
// which nats.Connect does not know.
type firstDial struct {
	mu    sync.Mutex
	ctx   context.Context // nil once over
	stops []func() bool
}

// Dial implements nats.CustomDialer.
func (d *firstDial) Dial(network, addr string) (net.Conn, error) {
	d.mu.Lock()
	ctx := d.ctx
	d.mu.Unlock()
	first := ctx != nil
	if !first {
		ctx = context.Background()
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, addr)
	if err == nil && first {
		d.mu.Lock()
		d.stops = append(d.stops, context.AfterFunc(ctx, func() { conn.Close() }))
		d.mu.Unlock()
	}
	return conn, err
}

func (d *firstDial) over() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ctx = nil
	for _, stop := range d.stops {
		stop()
	}
}
