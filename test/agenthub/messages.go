package agenthub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/brockdb/brock/app"
)

// Message is mail to an agent, or a post to a channel.
type Message struct {
	N    uint64    `json:"n"` // counts those to the same agent or channel, from 1
	From string    `json:"from"`
	To   string    `json:"to"`
	Body string    `json:"body"`
	At   time.Time `json:"at"`
}

// Reading asks for messages to an agent or in a channel.
type Reading struct {
	Agent   string   `json:"agent"`
	Done    []uint64 `json:"done"` // what the agent needs no more
	Channel string   `json:"channel"`
	After   uint64   `json:"after"` // only what comes after this number
}

// Send puts a message into the history of all mail and into an agent's mailbox.
func (h *Hub) Send(ctx context.Context, m Message) (Message, error) {
	m, err := h.add(ctx, h.mail, m)
	if err == nil {
		_, err = h.mailbox.Put(ctx, messageKey(m.To, m.N), m)
	}
	return m, err
}

// Read removes the mail that the agent is done with, and returns what waits.
func (h *Hub) Read(ctx context.Context, r Reading) ([]Message, error) {
	var done []string
	for _, n := range r.Done {
		done = append(done, messageKey(r.Agent, n))
	}
	if _, err := h.mailbox.Delete(ctx, done...); err != nil {
		return nil, err
	}
	return list(ctx, h.mailbox, r.Agent, r.After)
}

// Post adds a message to a channel, and makes the channel if it is new.
func (h *Hub) Post(ctx context.Context, m Message) (Message, error) {
	m, err := h.add(ctx, h.posts, m)
	if err == nil {
		_, err = h.channels.Create(ctx, m.To, m)
	}
	if errors.Is(err, app.ErrConflict) {
		err = nil // the channel is known
	}
	return m, err
}

// History returns the messages of a channel after a number, in order.
func (h *Hub) History(ctx context.Context, r Reading) ([]Message, error) {
	return list(ctx, h.posts, r.Channel, r.After)
}

// messageKey makes keys that sort as their numbers do.
func messageKey(to string, n uint64) string { return fmt.Sprintf("%s/%016d", to, n) }

// add gives the message the next number. Of those who try the same one, one creates
// the record and the others try the next: no lock, no counter, no holes.
func (h *Hub) add(ctx context.Context, log app.JSONTable[Message], m Message) (Message, error) {
	if err := checkNames(m.From, m.To); err != nil {
		return Message{}, err
	}
	for {
		m.N, m.At = 1, h.now()
		for row, err := range log.Scan(ctx, app.Range{Prefix: []byte(m.To + "/"), Reverse: true, Limit: 1}) {
			if err != nil {
				return Message{}, err
			}
			m.N = row.Value.N + 1
		}
		if _, err := log.Create(ctx, messageKey(m.To, m.N), m); !errors.Is(err, app.ErrConflict) {
			return m, err
		}
	}
}

func list(ctx context.Context, t app.JSONTable[Message], to string, after uint64) ([]Message, error) {
	out := []Message{}
	for row, err := range t.Scan(ctx, app.Range{Prefix: []byte(to + "/"), From: []byte(messageKey(to, after+1)), Limit: 100}) {
		if err != nil {
			return nil, err
		}
		out = append(out, row.Value)
	}
	return out, checkNames(to)
}
