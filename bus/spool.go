package bus

import "log/slog"

// Spool keeps events on disk for a bus that is opened later on the same folder, in
// the same or another process. It is the outbox of a hub that works offline.
type Spool struct{ box *outbox }

// OpenSpool opens the outbox in dir, which no bus may have open. Nil files are the
// system's, a nil log discards.
func OpenSpool(dir string, files Files, log *slog.Logger) (*Spool, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	box, err := openOutbox(dir, files, 0, nil, log)
	if err != nil {
		return nil, err
	}
	return &Spool{box}, nil
}

// Publish returns once the event is durable on disk, in order.
func (s *Spool) Publish(e Event) error {
	data, err := e.MarshalJSON()
	if err != nil {
		return err
	}
	return s.box.add(data)
}
