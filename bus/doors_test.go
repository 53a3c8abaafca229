package bus

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"
)

// refusals collects what was refused.
type refusals struct {
	mu  sync.Mutex
	all []Refusal
}

func (r *refusals) note(n Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n.Remote = ""
	r.all = append(r.all, n)
}

func (r *refusals) await(t *testing.T, want Refusal) {
	t.Helper()
	eventually(t, "a refusal", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, n := range r.all {
			if n == want {
				return true
			}
		}
		return false
	})
}

// Each request's subject as the service has registered it, asked by nobody and by each
// role: what comes of it is what the endpoint declares.
func TestEverySubjectAsRegistered(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	var endpoints []Endpoint
	for _, names := range endpointsOf {
		for _, name := range names {
			if name == "records.>" {
				name = "records.get"
			}
			endpoints = append(endpoints, Endpoint{Name: name, Handler: answer(nil)})
		}
	}
	serve(t, b, endpoints...)
	nc := w.raw(Viewer)
	msg, err := nc.RequestWithContext(w.ctx(), "$SRV.INFO.brock", nil)
	require.NoError(t, err)
	var info micro.Info
	require.NoError(t, json.Unmarshal(msg.Data, &info))
	require.Len(t, info.Endpoints, len(endpoints))
	for _, e := range info.Endpoints {
		least := Role(e.Metadata["role"])
		require.Contains(t, Roles(), least, e.Subject)
		for _, role := range Roles() {
			nc := w.raw(role)
			require.NoError(t, nc.PublishRequest(e.Subject, nc.NewRespInbox(), nil))
			if role.May(least) {
				nc.allowed(e.Subject + " by " + string(role))
			} else {
				nc.denied(e.Subject + " by " + string(role))
			}
		}
	}
	require.ErrorIs(t, w.serveAnother(t, "nobody.knows"), ErrConfig)
}

// serveAnother serves one endpoint on another bus of the same server.
func (w *world) serveAnother(t *testing.T, name string) error {
	t.Helper()
	b := w.open(Config{Server: w.server, OutboxDir: t.TempDir()})
	return b.Serve(ServiceConfig{Version: "1.2.3", Endpoints: []Endpoint{{Name: name, Handler: answer(nil)}}})
}

func TestRefusalsAreToldOf(t *testing.T) {
	w := newWorld(t)
	var heard refusals
	w.server = w.startServer(ServerConfig{StoreDir: t.TempDir(), Refused: heard.note})
	_, err := Dial(w.ctx(), w.server.URL(), Credential{User: "viewer", Password: "wrong"}, Viewer)
	require.ErrorIs(t, err, ErrAuthentication)
	heard.await(t, Refusal{What: "connect", Code: CodeUnauthorized})

	// The name is the client's choice, and must not pass for something else.
	nc := w.raw(Viewer, nats.Name(`x" - "$G/user:admin" - Publish Violation - Subject "brock.alpha.drill"`))
	require.NoError(t, nc.Publish("brock.alpha.backup", nil))
	nc.denied("backup")
	heard.await(t, Refusal{Role: Viewer, What: "backup", Code: CodeForbidden})
	require.NoError(t, nc.Publish("brock.alpha.records.whatever", nil))
	nc.denied("records")
	heard.await(t, Refusal{Role: Viewer, What: "records", Code: CodeForbidden})
	require.NoError(t, nc.Publish("backups", nil))
	nc.denied("an event")
	heard.await(t, Refusal{Role: Viewer, What: "publish", Code: CodeForbidden})
	_, err = nc.SubscribeSync("brock.>")
	require.NoError(t, err)
	nc.denied("subscribe")
	heard.await(t, Refusal{Role: Viewer, What: "subscribe", Code: CodeForbidden})
	nc = w.raw(Operator, nats.Name(`100 %s %q %`))
	require.NoError(t, nc.Publish("backups", nil))
	nc.denied("an event")
	heard.await(t, Refusal{Role: Operator, What: "publish", Code: CodeForbidden})
	require.True(t, w.server.noteRefusal("127.0.0.1:50000 - cid:9 - TLS handshake error: EOF"))
	heard.await(t, Refusal{What: "connect", Code: CodeProtocol})
	require.False(t, w.server.noteRefusal("JetStream failed to store a msg"))
	for _, n := range heard.all {
		require.NotEqual(t, Admin, n.Role)
		require.NotEqual(t, "drill", n.What)
	}
	require.NotContains(t, w.logs.String(), "level=ERROR", "strangers cannot fill the log")
}

func TestAuditsReachOperators(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	want := Audit{ID: "1", Hub: testHub, Timestamp: 2, Road: "nats", Role: "operator", What: "backup", Tables: []string{"a"}, Outcome: "ok", Count: 1}
	for _, role := range []Role{Operator, Admin} {
		s, err := w.client(role).Audits(w.ctx())
		require.NoError(t, err)
		b.Audit(want)
		got, err := s.Next(w.ctx())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	nc := w.raw(Viewer)
	_, err := nc.SubscribeSync(SubjectAudit)
	require.NoError(t, err)
	nc.denied("a viewer listens to the audit")
	nc = w.raw(Admin)
	require.NoError(t, nc.Publish(SubjectAudit, []byte(`{}`)))
	nc.denied("an admin makes up an audit")
}

// The asker is known by its inbox, and is nobody where the inbox says nothing.
func TestAskers(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	type asker struct {
		role   Role
		remote string
	}
	asked := make(chan asker, 1)
	serve(t, b, Endpoint{Name: "backup", Handler: func(ctx context.Context, _ []byte) (any, error) {
		role, remote := b.Asker(ctx)
		asked <- asker{role, remote}
		return nil, nil
	}})
	for _, role := range []Role{Operator, Admin} {
		require.NoError(t, w.client(role).Request(w.ctx(), testHub, "backup", nil, nil))
		got := <-asked
		require.Equal(t, role, got.role)
		require.Regexp(t, `^127\.0\.0\.1:\d+$`, got.remote)
	}
	w.client(Admin)
	nc := w.raw(Operator)
	require.NoError(t, nc.PublishRequest("brock.alpha.backup", "_INBOX_admin.made.up", nil))
	require.NoError(t, nc.Flush())
	require.Equal(t, asker{}, <-asked, "nobody passes for another role")
	role, _ := b.Asker(context.Background())
	require.Empty(t, role)
}

func TestCredentialsAreRotated(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	var replied atomic.Bool
	serve(t, b, Endpoint{Name: "health", Handler: answer(nil)}, Endpoint{Name: "records.put", Handler: func(context.Context, []byte) (any, error) {
		return Reply{Value: []byte(`"new"`), Then: func() {
			replied.Store(true)
			require.NoError(t, w.server.SetCredentials(w.creds.Rotate(Admin)))
		}}, nil
	}})
	events, err := b.Subscribe(w.ctx(), SubscribeOptions{})
	require.NoError(t, err)
	old := w.creds
	viewer, operator := w.raw(Viewer), w.raw(Operator)
	cut := viewer.StatusChanged(nats.CLOSED, nats.RECONNECTING, nats.DISCONNECTED)

	fresh := old.Rotate(Viewer)
	require.NotEqual(t, old.Viewer.Password, fresh.Viewer.Password)
	require.NotEqual(t, old.Viewer.Token, fresh.Viewer.Token)
	require.Equal(t, old.Operator, fresh.Operator)
	require.NoError(t, w.server.SetCredentials(fresh))
	select {
	case <-cut:
	case <-time.After(patience):
		t.Fatal("the old connection was not cut")
	}
	require.NoError(t, operator.Flush(), "who has the same credential stays")
	_, err = Dial(w.ctx(), w.server.URL(), old.Viewer, Viewer)
	require.ErrorIs(t, err, ErrAuthentication)
	w.creds = fresh
	require.NoError(t, w.client(Viewer).Request(w.ctx(), testHub, "health", nil, nil))
	publish(t, b, 1, 3)
	expect(t, events, 1, 3) // the hub's own connections went on

	// The asker is cut off only when it has its answer.
	var reply string
	require.NoError(t, w.client(Admin).Request(w.ctx(), testHub, "records.put", nil, &reply))
	require.Equal(t, "new", reply)
	eventually(t, "the old credential lets nobody in", func() bool {
		_, err := Dial(w.ctx(), w.server.URL(), old.Admin, Admin)
		return err != nil
	})
	require.True(t, replied.Load())

	spoilt := fresh
	spoilt.Viewer.Password = ""
	require.ErrorIs(t, w.server.SetCredentials(spoilt), ErrConfig)
	spoilt = fresh
	spoilt.Viewer.Token = spoilt.Admin.Token
	require.ErrorIs(t, w.server.SetCredentials(spoilt), ErrConfig)
	require.NoError(t, w.server.Stop(w.ctx()))
	require.NoError(t, w.server.SetCredentials(old))
	require.NoError(t, w.server.Restart(w.ctx()))
	w.creds = old
	admin := w.client(Admin)
	eventually(t, "the service is back", func() bool { return admin.Request(w.ctx(), testHub, "health", nil, nil) == nil })
}

// Clients that come while an asker is looked for race with nobody (go test -race).
func TestAskersBesideNewClients(t *testing.T) {
	w := newWorld(t)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = w.server.listener("_INBOX.nobody.listens")
			}
		}
	}()
	for range 50 {
		w.raw(Viewer).Close()
	}
	close(stop)
	<-done
}

// Who is cut off with the answer to its request gets the answer.
func TestTheAnswerComesBeforeTheEnd(t *testing.T) {
	w := newWorld(t)
	b := w.bus()
	rotated := make(chan error, 1)
	serve(t, b, Endpoint{Name: "records.put", Handler: func(context.Context, []byte) (any, error) {
		return Reply{Value: []byte(`"new"`), Then: func() { rotated <- w.server.SetCredentials(w.creds.Rotate(Admin)) }}, nil
	}})
	tries := 20
	if testing.Short() {
		tries = 1 // nats-server reads counts of a client that it cuts off while they are written (sendAccountAuthErrorEvent)
	}
	for range tries {
		require.NoError(t, w.server.SetCredentials(w.creds))
		var reply string
		require.NoError(t, w.client(Admin).Request(w.ctx(), testHub, "records.put", nil, &reply))
		require.Equal(t, "new", reply)
		require.NoError(t, <-rotated)
	}
}
