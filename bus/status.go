package bus

// Status is how the bus is doing.
type Status struct {
	Connected       bool   `json:"connected"`
	Stream          bool   `json:"stream"`           // events go to a JetStream stream
	Pending         int    `json:"pending"`          // events that wait on disk
	Sent            uint64 `json:"sent"`             // events delivered since Open
	Dropped         uint64 `json:"dropped"`          // events given up because too many waited
	Damaged         uint64 `json:"damaged"`          // outbox files set aside as damaged
	Rejected        uint64 `json:"rejected"`         // events that the server will never take
	ProgressDropped uint64 `json:"progress_dropped"` // progress that was not sent
	LastError       string `json:"last_error"`       // why the oldest event still waits, or empty
}

// Status returns at once.
func (b *Bus) Status() Status {
	pending, stats := b.outbox.status()
	return Status{
		Connected: b.events.IsConnected(), Stream: b.stream.mode.Load() == modeStream,
		Pending: pending, Sent: stats.sent, Dropped: stats.dropped, Damaged: stats.damaged,
		Rejected: stats.rejected, ProgressDropped: b.progress.dropped.Load(), LastError: stats.lastError,
	}
}
