package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// FuzzEvent: what passes for an event is written as one that says the same.
func FuzzEvent(f *testing.F) {
	for _, text := range []string{`{"type":"backup_complete","id":"1","hub":"h","timestamp":1795000000000,"run":"r","n":9007199254740993}`, `{"type":"new","id":"1","hub":"h","a":{"b":[1,{"c":null}]}}`,
		`{"type":"a","type":"b","id":"1","hub":"h"}`, `{"Type":"a","id":"1","hub":"h"}`, `{}`, `[]`, `null`, `{"type":1}`, `{"type":"a","id":"1","hub":"h","timestamp":1e400}`,
		`{"type":"a","id":"1","hub":"h"}{}`, `{"type":"a","id":"\ud800","hub":"h","\u0000":"\u2028"}`, `{"type":"a","id":"1","hub":"h","x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}", "\xff"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again Event
		if err := e.UnmarshalJSON(b); err != nil {
			if !errors.Is(err, ErrBadEvent) {
				t.Fatalf("%v", err)
			}
			return
		}
		out, err := e.MarshalJSON()
		if err != nil || !json.Valid(out) {
			t.Fatalf("%q: %v", b, err)
		}
		if err := again.UnmarshalJSON(out); err != nil || again.Type != e.Type || again.ID != e.ID || again.Hub != e.Hub || again.Timestamp != e.Timestamp || string(again.Detail) != string(e.Detail) {
			t.Fatalf("%q is written as %q: %v", b, out, err)
		}
	})
}

// FuzzSubject: what passes for an embedder's subject is one to NATS, and takes in none
// of the hub's.
func FuzzSubject(f *testing.F) {
	for _, s := range []string{"", "agents.>", "agents.*.x", ">", "*", "a.>.b", "a..b", ".a", "a.", "a b", "a\x00", "backups", "backups.x", "backupsx.y", "brock.h.backup", "$JS.API.>", "_INBOX.x", "a*", "a.b>", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if (Subject{Name: name}).Validate() != nil {
			return
		}
		if !natsserver.IsValidSubject(name) {
			t.Fatalf("%q is no subject to NATS", name)
		}
		for _, own := range []string{SubjectEvents, SubjectProgress, SubjectAudit, "brock.>", "$JS.API.>", "$SRV.>", "_INBOX.>", hubInbox + ".>"} {
			if natsserver.SubjectsCollide(name, own) {
				t.Fatalf("%q takes in %s", name, own)
			}
		}
	})
}

// FuzzRefusal: whatever a client calls itself, a line of the server's log does not pass
// for what another one did, and names nothing that a client made up.
func FuzzRefusal(f *testing.F) {
	creds := NewCredentials()
	s := &Server{cfg: ServerConfig{Hub: testHub, Credentials: creds}}
	for _, text := range []string{`"x" - `, `a - Publish Violation`, `%!s(int=3)`, `" - "` + testHub + `/user:`, `\" - cid:1`, "", "é\x00\n"} {
		f.Add(text, "brock."+testHub+".backup", 1)
		f.Add(text, text, 2)
	}
	f.Fuzz(func(t *testing.T, name, subject string, kind int) {
		user := creds.Viewer.User
		lines := []string{
			fmt.Sprintf("127.0.0.1:5 - cid:7 - %q - \"$G/user:%s\" - Publish Violation - Subject %q", name, user, subject),
			fmt.Sprintf("127.0.0.1:5 - cid:7 - %q - \"$G/user:%s\" - Subscription Violation - Subject %q, SID 1", name, user, subject),
			fmt.Sprintf("127.0.0.1:5 - cid:7 - %q - authentication error - User %q", name, subject), name,
		}
		r, ok := s.refusal(lines[uint(kind)%4])
		if !ok {
			return
		}
		known := r.What == "publish" || r.What == "subscribe" || r.What == "connect" || declared(r.What) != "" || r.What == "records"
		if !known || uint(kind)%4 < 3 && r.Remote != "127.0.0.1:5" || r.Role != "" && r.Role != Viewer && uint(kind)%4 < 3 {
			t.Fatalf("%q: %+v", lines[uint(kind)%4], r)
		}
	})
}

// FuzzReply: an error that a service sends, true or made up, is told in one line.
func FuzzReply(f *testing.F) {
	f.Add("500", "text\nmore", []byte(`{"error":"internal","message":"m","table":"a"}`))
	f.Add("-1", strings.Repeat("é", 1000), []byte(`{"error":1}`))
	f.Add("", "", []byte("null"))
	f.Fuzz(func(t *testing.T, status, text string, body []byte) {
		header := nats.Header{"Nats-Service-Error": {text}, "Nats-Service-Error-Code": {status}}
		err := replyError(&nats.Msg{Header: header, Data: body})
		if (err == nil) != (text == "" && status == "") {
			t.Fatalf("%q %q: %v", status, text, err)
		}
		if err == nil {
			return
		}
		msg, err2 := replyMessage(nil, err)
		if err2 != nil {
			return // its body is no object
		}
		for _, v := range msg.Header {
			if strings.ContainsAny(v[0], "\r\n") || len(v[0]) > maxHeader+4 {
				t.Fatalf("header %q", v[0])
			}
		}
		if !json.Valid(msg.Data) {
			t.Fatalf("%q", msg.Data)
		}
	})
}
