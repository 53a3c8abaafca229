package bus

import "context"

// Audit says who asked for what from outside, and what came of it. It goes out live, to
// operators and admins who listen, and is kept nowhere: the hub's log keeps it.
type Audit struct {
	ID        string   `json:"id"` // over HTTP also in the answer's X-Request-Id
	Hub       string   `json:"hub"`
	Timestamp int64    `json:"timestamp"` // Unix milliseconds
	Road      string   `json:"road"`      // http or nats
	Role      string   `json:"role"`      // none where nobody known asked
	Remote    string   `json:"remote"`    // host:port; "" where it is not known
	What      string   `json:"what"`      // such as "POST /api/admin/backup" or "backup"
	Tables    []string `json:"tables"`    // that were named
	Outcome   string   `json:"outcome"`   // ok, or the error's code
	Count     int      `json:"count"`     // requests that this one stands for, the last of them
}

// AuditEvents is where audits go.
var AuditEvents = Topic[Audit]{subject: SubjectAudit}

// Audit publishes a as best it can. It never waits and never fails.
func (b *Bus) Audit(a Audit) { b.audits.offer(a) }

// Audits follows audits from now on. The role must be operator or admin; of another the
// server refuses it, and nothing comes.
func (c *Client) Audits(ctx context.Context) (*Subscription[Audit], error) {
	return follow(ctx, c.subs, func(ctx context.Context) (*Subscription[Audit], error) {
		return AuditEvents.subscribe(ctx, c.nc, 0, nil)
	})
}
